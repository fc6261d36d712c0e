/** How values travel: our link, and the two rivals that a user would write without us. */
export const FORMS = ["stanzapack", "json-body", "json-batch"] as const;

export type Form = (typeof FORMS)[number];

/** `json-body`: a message per value, its body the bare JSON. `json-batch`: a message per window, its body a JSON array. */
export type RivalForm = Exclude<Form, "stanzapack">;

export const RIVAL_FORMS = ["json-body", "json-batch"] as const satisfies readonly RivalForm[];
