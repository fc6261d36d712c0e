import { describe } from "vitest";
import { useCast } from "./support/other-implementations/cast.js";
import { featuresSuite } from "./support/other-implementations/features.js";
import { firstTriesSuite } from "./support/other-implementations/first-tries.js";
import { formsSuite } from "./support/other-implementations/forms.js";
import { requestsSuite } from "./support/other-implementations/requests.js";
import { SERVERS } from "./support/stack.js";

/** Stanzas of an ordinary client, one by one, by XEP-0004 and XEP-0060. All parts share one start of the servers. */
describe.each(SERVERS)("other XMPP implementations, through %s", (server) => {
  const cast = useCast(server);
  formsSuite(cast);
  requestsSuite(cast);
  featuresSuite(cast);
  firstTriesSuite(cast);
});
