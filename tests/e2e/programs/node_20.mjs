// What Node has from 22 on and the tests' programs need on Node 20: undici 8, below client-node, binds two of these when
// it is loaded, and never calls them here.
import workers from "node:worker_threads";
import zlib from "node:zlib";
zlib.createZstdDecompress ??= () => {
  throw new Error("this Node has no zstd");
};
workers.markAsUncloneable ??= () => {};
Promise.withResolvers ??= () => {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
};
