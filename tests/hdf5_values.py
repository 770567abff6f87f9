#!/usr/bin/env python3
# All values of a part of a checkpoint by h5py, a line for each dataset: path,
# shape, numbers (floats by their bits, strings as they are).  What other
# readers print is compared with it.  /requests/seed is left out, since some
# of them have no 64 bits.
#
#     hdf5_values.py part-0000.h5
import sys

import h5py

f = h5py.File(sys.argv[1], 'r')
a, m, q = f.attrs, f['model'].attrs, f['requests'].attrs
print('/', a['format'].decode(), a['format_version'], a['numerics'].decode(),
      ','.join(str(x) for x in a['model_id']))
print('/model', m['vocab_size'], m['n_layers'], m['hidden_size'])
print('/requests', q['first'], q['count'])


def show(group, before):
    for key in sorted(group):
        o, path = group[key], before + key
        if isinstance(o, h5py.Group):
            show(o, path + '/')
            continue
        v = o[...].reshape(-1)
        if v.dtype.kind == 'f':
            v = v.view('<u4')
        if v.dtype.kind == 'S':
            v = [s.decode() for s in v]
        if path != '/requests/seed':
            print(path, 'x'.join(str(n) for n in o.shape),
                  ','.join(str(x) for x in v))
        if path == '/requests/finish':
            print(path, ' '.join(str(x) for x in o.attrs['flag_values']),
                  o.attrs['flag_meanings'].decode())


show(f, '/')
