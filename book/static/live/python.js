// Python, seen from the page: a worker that runs code and answers widgets, one thing at a time.

export class Python {
  // `on` has the methods progress(message), output(owner, output) and comm(message).
  constructor({ folder, manifest, environment, on }) {
    Object.assign(this, { folder, manifest, environment, on });
    // A page that shares memory with its worker can interrupt it; the server must allow that with two headers.
    this.interruptible = window.crossOriginIsolated === true;
  }

  waiting = new Map(); // what Python was asked and has not answered

  start() {
    this.flag = this.interruptible ? new Uint8Array(new SharedArrayBuffer(1)) : null;
    this.worker = new Worker(new URL("worker.js", import.meta.url));
    const ready = new Promise((resolve, reject) => {
      this.worker.onerror = (event) => { event.preventDefault(); reject(new Error(event.message || "its worker could not be loaded")); };
      this.worker.onmessage = ({ data }) => {
        if (data.type === "ready") resolve();
        else if (data.type === "failed") reject(new Error(data.text.trim().split("\n").pop()));
        else this.receive(data);
      };
    });
    this.worker.postMessage({ type: "start", folder: this.folder, manifest: this.manifest, environment: this.environment, interrupt: this.flag });
    return ready;
  }

  receive(message) {
    if (message.type === "progress") this.on.progress(message);
    else if (message.type === "output") this.on.output(message.owner, message.output);
    else if (message.type === "comm") this.on.comm(message);
    else this.settle(message); // ran, answered
  }

  settle(message) {
    this.waiting.get(message.id)?.(message);
    this.waiting.delete(message.id);
  }

  ask(message) {
    if (!this.worker) return Promise.resolve({ ok: false, ended: true });
    return new Promise((resolve) => {
      this.waiting.set(message.id, resolve);
      this.worker.postMessage(message);
    });
  }

  run(id, code) {
    if (this.flag) this.flag[0] = 0;
    return this.ask({ type: "run", id, code });
  }

  comm(kind, owner, content, buffers = []) {
    return this.ask({ type: "comm", id: crypto.getRandomValues(new Uint32Array(2)).join("-"), kind, owner, content, buffers });
  }

  // Ask Python to stop what it does; false where it cannot be asked.
  interrupt() {
    if (this.flag) this.flag[0] = 2;
    return this.interruptible;
  }

  // Whether it has something to answer.
  get asked() { return this.waiting.size > 0; }

  // Interrupted, it has answered all it was asked.
  async obeyed() {
    while (this.asked) {
      this.interrupt();
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  }

  // Forget all that has been run and begin anew, without loading anything again. False if that cannot be had.
  async renew() {
    if (this.flag) this.flag[0] = 0;
    const { ok } = await this.ask({ type: "renew", id: "renew" });
    if (!ok) this.end();
    return ok;
  }

  end() {
    this.worker?.terminate();
    this.worker = null;
    for (const id of [...this.waiting.keys()]) this.settle({ type: "ended", id, ok: false, ended: true });
  }
}
