// Where oidc-provider keeps what it issued: a store that outlives the library's object, so that it can be made anew with other keys.

/** Makes an adapter whose instances share one store: https://github.com/panva/node-oidc-provider/blob/main/example/my_adapter.js */
export function memory() {
  const store = new Map();
  const find = (model, matches) => [...store].find(([key, payload]) => key.startsWith(`${model}:`) && matches(payload))?.[1];
  return class {
    constructor(model) {
      this.model = model;
    }

    key = (id) => `${this.model}:${id}`;

    async upsert(id, payload) {
      store.set(this.key(id), payload);
    }

    async find(id) {
      return store.get(this.key(id));
    }

    async findByUid(uid) {
      return find(this.model, (payload) => payload.uid === uid);
    }

    async findByUserCode(code) {
      return find(this.model, (payload) => payload.userCode === code);
    }

    async consume(id) {
      store.get(this.key(id)).consumed = Math.floor(Date.now() / 1000);
    }

    async destroy(id) {
      store.delete(this.key(id));
    }

    async revokeByGrantId(grantId) {
      for (const [key, payload] of store) if (payload.grantId === grantId) store.delete(key);
    }
  };
}
