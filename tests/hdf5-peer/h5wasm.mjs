// The same with h5wasm, which has all 64 bits.
import h5wasm from 'h5wasm/node';

function text(v, dtype)
{
    if (typeof dtype === 'string' && dtype[1] === 'f')
        v = new Uint32Array(Float32Array.of(v).buffer)[0];
    return String(v);
}

function show(group, before)
{
    for (const key of group.keys().sort()) {
        const o = group.get(key), path = before + key;

        if (o.keys) {
            show(o, path + '/');
            continue;
        }
        if (path !== '/requests/seed')
            console.log(path, o.shape.join('x'),
                Array.from(o.value, v => text(v, o.dtype)).join(','));
        if (path === '/requests/finish')
            console.log(path, o.attrs.flag_values.value.join(' '),
                o.attrs.flag_meanings.value);
    }
}

await h5wasm.ready;
const f = new h5wasm.File(process.argv[2], 'r');
const m = f.get('model').attrs, q = f.get('requests').attrs;
console.log('/', f.attrs.format.value, f.attrs.format_version.value,
    f.attrs.numerics.value, Array.from(f.attrs.model_id.value).join(','));
console.log('/model', m.vocab_size.value, m.n_layers.value,
    m.hidden_size.value);
console.log('/requests', String(q.first.value), String(q.count.value));
show(f, '/');
f.close();
