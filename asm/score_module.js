// @ts-self-types="./score_module.d.ts"
// A source-phase import gives the compiled module, not one shared instance: two schedulers in one process must not
// share a memory. JavaScript, because TypeScript 6 cannot parse `import source`.
import source score from "./score.wasm";

export default score;
