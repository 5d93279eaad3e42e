declare const score: WebAssembly.Module;
export default score;
