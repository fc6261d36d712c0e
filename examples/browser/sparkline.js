/** Number of values in a line. */
const LENGTH = 120;

/** Yields the numbers in a value, each with its path: `cpu.user` and 3 for `{ cpu: { user: 3 } }`. */
export function* numbersIn(value, path = "") {
  if (typeof value === "number") yield [path, value];
  else if (value !== null && typeof value === "object" && !(value instanceof Uint8Array)) {
    for (const [key, part] of Object.entries(value))
      yield* numbersIn(part, path === "" ? key : `${path}.${key}`);
  }
}

/** Draws the last values as lines: one line for each number of a value, on its own scale. */
export function createSparkline(canvas) {
  const lines = new Map();
  let waiting = false;

  function draw() {
    waiting = false;
    const ratio = devicePixelRatio;
    const { clientWidth: width, clientHeight: height } = canvas;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    context.strokeStyle = getComputedStyle(canvas).color;
    context.lineWidth = 1.5;
    context.lineJoin = "round";
    let strength = 1;
    for (const numbers of lines.values()) {
      const low = Math.min(...numbers);
      const span = Math.max(...numbers) - low || 1;
      context.globalAlpha = strength;
      context.beginPath();
      numbers.forEach((number, i) => {
        context.lineTo(
          width - ((numbers.length - 1 - i) * width) / (LENGTH - 1),
          height - 4 - ((number - low) / span) * (height - 8),
        );
      });
      context.stroke();
      // The first line is the clearest.
      strength = Math.max(0.15, strength * 0.55);
    }
  }

  return {
    add(value) {
      for (const [path, number] of numbersIn(value)) {
        const numbers = lines.get(path) ?? [];
        lines.set(path, numbers);
        numbers.push(number);
        if (numbers.length > LENGTH) numbers.shift();
      }
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(draw);
    },
  };
}
