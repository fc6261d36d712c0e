import { describe } from "vitest";
import { useCast } from "./support/other-implementations/cast.js";
import { featuresSuite } from "./support/other-implementations/features.js";
import { firstTriesSuite } from "./support/other-implementations/first-tries.js";
import { formsSuite } from "./support/other-implementations/forms.js";
import { requestsSuite } from "./support/other-implementations/requests.js";
import { SERVERS } from "./support/stack.js";

/** What an ordinary client sends, stanza by stanza, as XEP-0004 and XEP-0060 have it; the servers are started once for all of it. */
describe.each(SERVERS)("other XMPP implementations, through %s", (server) => {
  const cast = useCast(server);
  formsSuite(cast);
  requestsSuite(cast);
  featuresSuite(cast);
  firstTriesSuite(cast);
});
