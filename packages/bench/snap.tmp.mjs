import { startWorker } from "./dist/peers/worker.js";
import { configSchema, createComponent } from "@stanzapack/component";
import v8 from "node:v8"; import fs from "node:fs"; import {setTimeout as delay} from "node:timers/promises";
const server = startWorker(new URL("./dist/component/server-process.js", import.meta.url).pathname, "server");
const s = new AbortController().signal;
const D="streams.simulated.test";
const port = await server.call("listen", {domain: D}, s);
const limits={ maxLinks: 1e6, opensPerSecond: 1e6, opensBurst: 1e6, opensSharePercent: 100, requestsPerSecond: 1e5 };
const parsed = configSchema.parse({component:{domain:D,secret:"x"},limits,log:{level:"error"}});
const c = createComponent({...parsed, component:{domain:D,secret:"x",host:"127.0.0.1",port}});
await c.start();
await server.call("offer", null, s);
async function snap(n, total){ await server.call("join",{count:n,resources:1,windowMs:100},s); await server.call("publish",{perSecond:20},s); await delay(12000); await server.call("publish",{perSecond:0},s); await delay(500); for(let i=0;i<3;i++){global.gc(); await delay(20);} const f=`/tmp/fan-snap/${total}.heapsnapshot`; v8.writeHeapSnapshot(f); return {heap: process.memoryUsage().heapUsed, agg: aggregate(f)}; }
function aggregate(f){ const j=JSON.parse(fs.readFileSync(f)); const {nodes,strings,snapshot:{meta}}=j; const F=meta.node_fields,w=F.length; const types=meta.node_types[0]; const iT=F.indexOf("type"),iN=F.indexOf("name"),iS=F.indexOf("self_size"); const m=new Map(); for(let i=0;i<nodes.length;i+=w){ const t=types[nodes[i+iT]]; let name=strings[nodes[i+iN]]; if(t==="string"||t==="concatenated string"||t==="sliced string") name=""; const k=`${t}:${name.slice(0,60)}`; const e=m.get(k)??[0,0]; e[0]++; e[1]+=nodes[i+iS]; m.set(k,e);} return m; }
const a=await snap(100,"a"); const N=1000; const b=await snap(N,"b");
console.log("heap/sub", (b.heap-a.heap)/N);
const rows=[]; for(const [k,[n,sz]] of b.agg){ const [n0,s0]=a.agg.get(k)??[0,0]; rows.push([(sz-s0)/N,(n-n0)/N,k]); }
rows.sort((x,y)=>y[0]-x[0]); for(const r of rows.slice(0,60)) console.log(r[0].toFixed(1).padStart(8), r[1].toFixed(2).padStart(7), r[2]);
await c.stop(); await server.stop(); process.exit(0);
