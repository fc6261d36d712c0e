/** Values shown at once. */
const LENGTH = 120;

/** The numbers that a value holds, by their path: `{ cpu: { user: 3 } }` gives `cpu.user`. */
export function* numbersIn(value, path = "") {
  if (typeof value === "number") yield [path, value];
  else if (value !== null && typeof value === "object" && !(value instanceof Uint8Array)) {
    for (const [key, part] of Object.entries(value))
      yield* numbersIn(part, path === "" ? key : `${path}.${key}`);
  }
}

/** Draws the last numbers given to it as a line, each number of a value on its own scale. */
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
      // The first is the one to look at.
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
