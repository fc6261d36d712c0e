/** How values travel: on our link, and as the two rivals that a user would write without Stanzapack. */
export const FORMS = ["stanzapack", "json-body", "json-batch"] as const;

export type Form = (typeof FORMS)[number];

/**
 * `json-body`: one message for each value, whose body is the bare JSON. `json-batch`: one message for each window,
 * whose body is a JSON array.
 */
export type RivalForm = Exclude<Form, "stanzapack">;

export const RIVAL_FORMS = ["json-body", "json-batch"] as const satisfies readonly RivalForm[];
