// Widgets that talk to Python in the worker, drawn by the manager that draws the static ones.

const script = (source) =>
  new Promise((resolve, reject) => {
    const element = Object.assign(document.createElement("script"), { src: source, onload: resolve });
    element.onerror = () => reject(new Error(`${source} cannot be loaded`));
    document.head.append(element);
  });

// A page with explorables has these already.
export async function loader(files) {
  if (!window.requirejs) {
    for (const name of ["require.js", "local.js", "embed-amd.js"]) await script(`${files}widgets/${name}`);
  }
  return (...names) => new Promise((resolve, reject) => window.requirejs(names, (...modules) => resolve(modules), reject));
}

// Both ends of a comm: what a widget model expects of one, and what Python sends.
class Comm {
  constructor(python, owner, id, target) {
    Object.assign(this, { python, owner, comm_id: id, target_name: target, receive: () => {}, closed: () => {} });
  }
  on_msg(callback) { this.receive = callback; }
  on_close(callback) { this.closed = callback; }
  tell(kind, data, callbacks, buffers) {
    const content = { comm_id: this.comm_id, target_name: this.target_name, data };
    const idle = () => callbacks?.iopub?.status?.({ content: { execution_state: "idle" } });
    this.python.comm(kind, this.owner, content, buffers ?? []).then(idle);
    return this.comm_id;
  }
  open(data, callbacks, _, buffers) { return this.tell("comm_open", data, callbacks, buffers); }
  send(data, callbacks, _, buffers) { return this.tell("comm_msg", data, callbacks, buffers); }
  close(data, callbacks, _, buffers) { return this.tell("comm_close", data ?? {}, callbacks, buffers); }
}

const views = (buffers) => buffers.map((each) => new DataView(each.buffer, each.byteOffset, each.byteLength));

export function widgets(HTMLManager, python) {
  const comms = new Map();
  const routes = new Map(); // the run whose outputs an Output widget captures -> that widget's comm

  class Manager extends HTMLManager {
    async _create_comm(target, id, data) {
      const comm = new Comm(python, null, id, target);
      comms.set(id, comm);
      if (data) comm.open(data);
      return comm;
    }
    async _get_comm_info() { return {}; }
  }
  const manager = new Manager();

  return {
    async receive({ kind, owner, content, metadata, buffers }) {
      const id = content.comm_id;
      const message = { content, metadata, buffers: views(buffers) };
      const captured = content.data?.state?.msg_id;
      for (const [run, comm] of routes) if (comm === id && captured !== undefined) routes.delete(run);
      if (captured) routes.set(captured, id);
      if (kind === "comm_open") {
        const comm = new Comm(python, owner, id, content.target_name);
        comms.set(id, comm);
        await manager.handle_comm_open(comm, message);
      } else if (kind === "comm_msg") await comms.get(id)?.receive(message);
      else comms.get(id)?.closed(message);
    },

    // Give an output to the Output widget that captures those of this run; false if there is none.
    captures(owner, output) {
      const id = routes.get(owner);
      if (!id) return false;
      const kinds = { stream: "stream", display: "display_data", error: "error" };
      manager.get_model(id).then((model) => {
        const before = output.type === "clear" ? [] : model.get("outputs");
        const { type, ...rest } = output;
        const added = kinds[type] ? [{ output_type: kinds[type], ...rest, ename: rest.name, evalue: "", traceback: [rest.text] }] : [];
        model.set("outputs", [...before, ...added]);
      });
      return true;
    },

    // The page is left: nothing that goes on in it reaches Python, nor the other way round.
    silence() {
      for (const comm of comms.values()) comm.tell = () => comm.comm_id;
      comms.clear();
    },

    async show(id, host) {
      const view = await manager.create_view(await manager.get_model(id));
      await manager.display_view(view, host);
      return view;
    },
  };
}
