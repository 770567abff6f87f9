// Parts of a checkpoint as jsfive reads them: each dataset's values in the form
// of tests/hdf5_values.py.  Numbers over 2^53 it rounds: /requests/seed is left
// out.
'use strict';
const fs = require('fs');
const h5 = require('jsfive');

function text(v, dtype)
{
    if (dtype[0] === 'S') /* it keeps the zeros behind */
        return v.replace(/\0+$/, '');
    if (dtype[1] === 'f')
        v = new Uint32Array(Float32Array.of(v).buffer)[0];
    return String(v);
}

function show(group, before)
{
    for (const key of group.keys.slice().sort()) {
        const o = group.get(key), path = before + key;

        if (o instanceof h5.Group) {
            show(o, path + '/');
            continue;
        }
        if (path === '/requests/seed')
            continue;
        console.log(path, o.shape.join('x'),
            Array.from(o.value, v => text(v, o.dtype)).join(','));
        if (path === '/requests/finish')
            console.log(path, o.attrs.flag_values.join(' '),
                o.attrs.flag_meanings);
    }
}

const b = fs.readFileSync(process.argv[2]);
const f = new h5.File(b.buffer.slice(b.byteOffset, b.byteOffset + b.length),
    process.argv[2]);
console.log('/', f.attrs.format, f.attrs.format_version, f.attrs.numerics,
    Array.from(f.attrs.model_id).join(','));
console.log('/model', f.get('model').attrs.vocab_size,
    f.get('model').attrs.n_layers, f.get('model').attrs.hidden_size);
console.log('/requests', f.get('requests').attrs.first,
    f.get('requests').attrs.count);
show(f, '/');
