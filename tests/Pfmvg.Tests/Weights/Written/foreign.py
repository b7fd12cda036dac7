"""Pickles of values that checkpoints hold beside their weights, in every protocol. Written by Python's own pickle; stand-ins of
libraries that reduce as theirs do are made below. Prints one JSON object: kind -> {names, pickles: [base64 per protocol]}, and under
"tensors" weights in all forms: form -> {right, pickles: [protocols 2 to 5]}."""
import argparse, base64, collections, copyreg, datetime, decimal, enum, fractions, functools, io, json, pathlib, pickle, sys, types, uuid

def module(name):
    parts = name.split('.')
    for i in range(1, len(parts) + 1):
        full = '.'.join(parts[:i])
        sys.modules.setdefault(full, types.ModuleType(full))
    return sys.modules[name]

def place(module_name, name, value):
    if hasattr(module(module_name), name): return getattr(module(module_name), name)
    value.__module__ = module_name; value.__qualname__ = name; value.__name__ = name
    setattr(module(module_name), name, value); return value

def function(module_name, name): return place(module_name, name, lambda *a, **k: None)

class Reduced:
    """Pickled as another library reduces its value."""
    def __init__(self, *parts): self.parts = parts
    def __reduce__(self): return self.parts

def cls(module_name, name, base=object, **body): return place(module_name, name, type(name, (base,), body))

dtype = function('numpy', 'dtype'); ndarray = cls('numpy', 'ndarray')
def np_dtype(code): return Reduced(dtype, (code, False, True), (3, '<', None, None, None, -1, -1, 0))
def np_array(generation):
    make = function(f'numpy.{generation}.multiarray', '_reconstruct')
    return Reduced(make, (ndarray, (0,), b'b'), (1, (2, 3), np_dtype('f4'), False, bytes(range(24))))
def np_objects(): return Reduced(function('numpy.core.multiarray', '_reconstruct'), (ndarray, (0,), b'b'), (1, (2,), np_dtype('O8'), False, [{'a': 1}, None]))
def np_scalar(generation): return Reduced(function(f'numpy.{generation}.multiarray', 'scalar'), (np_dtype('f8'), b'\0' * 8))
def np_generator():
    bits = Reduced(function('numpy.random._pickle', '__bit_generator_ctor'), (cls('numpy.random._pcg64', 'PCG64'),), {'bit_generator': 'PCG64', 'state': {'state': 3 << 100, 'inc': 5}, 'has_uint32': 0, 'uinteger': 0})
    return Reduced(function('numpy.random._pickle', '__generator_ctor'), (bits,))

class Stage(enum.Enum): ONE = 1; TWO = 2
Point = collections.namedtuple('Point', 'x y')
class Slots:
    __slots__ = ('a', 'b')
    def __init__(self): self.a, self.b = 1, [2]
class Own:
    def __init__(self): self.rate, self.me = 0.5, self
class Both:
    __slots__ = ('a', '__dict__')
    def __init__(self): self.a = 1; self.c = 2
class Made:
    def __reduce__(self): return (Made, (1, 'two'), {'three': 3}, iter([4, 5]), iter([('six', 7)]))
class Named:
    def __new__(cls, *, key=None): return object.__new__(cls)
    def __getnewargs_ex__(self): return ((), {'key': 'value'})
class OwnList(list): pass
class OwnDict(dict): pass
for c in (Stage, Point, Slots, Own, Both, Made, Named, OwnList, OwnDict):
    place('project.config', c.__name__, c)
own_list = OwnList([1, 2]); own_list.note = 'n'
own_dict = OwnDict(a=1); own_dict.note = 'n'

container = cls('omegaconf.dictconfig', 'DictConfig'); node = cls('omegaconf.nodes', 'AnyNode')
conf = container(); leaf = node(); leaf.__dict__.update(_val='x', _parent=conf); conf.__dict__.update(_content={'lr': leaf}, _parent=None)

torch_device = function('torch', 'device'); place('torch', 'Generator', type('Generator', (), {}))
dtype_name = types.SimpleNamespace

D = {
 'argparse.Namespace': (lambda: argparse.Namespace(lr=1e-4, out='runs/a'), ['argparse.Namespace']),
 'SimpleNamespace': (lambda: types.SimpleNamespace(a=1), ['types.SimpleNamespace']),
 'path': (lambda: pathlib.PurePosixPath('runs/a'), ['pathlib.PurePosixPath']),
 'datetime': (lambda: datetime.datetime(2024, 5, 1, tzinfo=datetime.timezone.utc), ['datetime.datetime', 'datetime.timezone', 'datetime.timedelta']),
 'date': (lambda: datetime.date(2024, 5, 1), ['datetime.date']),
 'uuid': (lambda: uuid.UUID(int=5), ['uuid.UUID']),
 'decimal': (lambda: decimal.Decimal('1.5'), ['decimal.Decimal']),
 'fraction': (lambda: fractions.Fraction(1, 3), ['fractions.Fraction']),
 'enum': (lambda: [Stage.TWO, Stage.ONE, Stage.TWO], ['project.config.Stage']),
 'keys of an enum': (lambda: {Stage.ONE: 1, (1, 'a'): 2, None: 3, 1.5: 4, True: 5}, ['project.config.Stage']),
 'namedtuple': (lambda: Point(1, 2), ['project.config.Point']),
 'deque': (lambda: collections.deque([1, 2], maxlen=5), ['collections.deque']),
 'defaultdict': (lambda: collections.defaultdict(list, a=[1]), ['collections.defaultdict']),
 'Counter': (lambda: collections.Counter('abca'), ['collections.Counter']),
 'ChainMap': (lambda: collections.ChainMap({'a': 1}), ['collections.ChainMap']),
 'partial': (lambda: functools.partial(int, base=2), ['functools.partial']),
 'exception': (lambda: ValueError('out of memory'), ['ValueError']),
 'types': (lambda: [int, dict, type(None), ...], []),
 'complex': (lambda: 1 + 2j, ['complex']),
 'range and slice': (lambda: [range(3), slice(1, 2)], ['slice']),
 'bytes and bytearray': (lambda: [b'\x00\xff', bytearray(b'ab'), b''], None),
 'sets': (lambda: [{1, 2}, frozenset('ab'), set()], None),
 'numbers': (lambda: [2 ** 500, -2 ** 200, 2 ** 31, -1, 255, 65536, 0.1, float('inf'), True, False, None], None),
 'text': (lambda: ['a', 'größe', '重み \U0001F600', 'a\\b\n\'"', '', 'x' * 300], None),
 'slots': (Slots, ['project.config.Slots']),
 'an object in itself': (Own, ['project.config.Own']),
 'slots and dict': (Both, ['project.config.Both']),
 'reduce with everything': (Made, ['project.config.Made']),
 'new with names': (Named, ['project.config.Named']),
 'list of a class': (lambda: own_list, ['project.config.OwnList']),
 'dict of a class': (lambda: own_dict, ['project.config.OwnDict']),
 'OmegaConf': (lambda: conf, ['omegaconf.dictconfig.DictConfig', 'omegaconf.nodes.AnyNode']),
 'numpy 1 array': (lambda: np_array('core'), ['numpy.core.multiarray._reconstruct', 'numpy.ndarray', 'numpy.dtype']),
 'numpy 2 array': (lambda: np_array('_core'), ['numpy._core.multiarray._reconstruct']),
 'numpy array of objects': (np_objects, ['numpy.core.multiarray._reconstruct']),
 'numpy 1 scalar': (lambda: np_scalar('core'), ['numpy.core.multiarray.scalar']),
 'numpy 2 scalar': (lambda: np_scalar('_core'), ['numpy._core.multiarray.scalar']),
 'numpy dtype': (lambda: np_dtype('i8'), ['numpy.dtype']),
 'numpy generator': (np_generator, ['numpy.random._pickle.__generator_ctor', 'numpy.random._pcg64.PCG64']),
 'torch device': (lambda: Reduced(torch_device, ('cuda', 0)), ['torch.device']),
}
# Tensors: names of the weights -> how they are pickled. The storage 0 holds four float32.
class Storage:
    def __init__(self, kind, key='0', elements=4):
        self.id = ('storage', place('torch' if kind != 'UntypedStorage' else 'torch.storage', kind, type(kind, (), {})), key, 'cpu', elements)
class TorchPickler(pickle._Pickler):
    def persistent_id(self, value):
        if isinstance(value, Storage): return value.id
        return value.wrapped if isinstance(value, Source) else None
class Source:
    """A class as the oldest format of torch.save wraps it, with its source."""
    def __init__(self, value): self.wrapped = ('module', value, 'net.py', 'class Net: pass')
v2 = function('torch._utils', '_rebuild_tensor_v2'); v3 = function('torch._utils', '_rebuild_tensor_v3')
parameter = function('torch._utils', '_rebuild_parameter'); stated = function('torch._utils', '_rebuild_parameter_with_state')
typed = function('torch._tensor', '_rebuild_from_type_v2'); tensor_class = cls('torch', 'Tensor'); own_tensor = cls('project.net', 'OwnTensor')
def plain(): return (Storage('FloatStorage'), 0, (2, 2), (2, 1), False, collections.OrderedDict())
def tensor(): return Reduced(v2, plain())
def named(module_name, name): return function(module_name, name)
def other(name, *args): return Reduced(function('torch._utils', name), args)
net = cls('project.net', 'Net'); whole = net(); whole.__dict__['_parameters'] = collections.OrderedDict(w=tensor())
T = {
 'in a defaultdict': (lambda: {'state_dict': collections.defaultdict(dict, w=tensor())}, 'w'),
 'a parameter': (lambda: {'w': Reduced(parameter, (tensor(), True, collections.OrderedDict()))}, 'w'),
 'a parameter with a state': (lambda: {'w': Reduced(stated, (tensor(), True, collections.OrderedDict(), {'tag': 1}))}, 'w'),
 'a buffer': (lambda: {'w': Reduced(typed, (v2, tensor_class, plain(), {'_is_buffer': True}))}, 'w'),
 'of a known type in version 3': (lambda: {'w': Reduced(v3, (Storage('UntypedStorage', elements=16), 0, (2, 2), (2, 1), False, collections.OrderedDict(), named('torch', 'float32')))}, 'w'),
 'whose state dict has attributes': (lambda: {'model': Reduced(collections.OrderedDict, (), {'_metadata': collections.OrderedDict()}, None, iter([('w', tensor())]))}, 'w'),
 'beside a sparse tensor': (lambda: {'model': {'w': tensor()}, 's': other('_rebuild_sparse_tensor', 1, (tensor(), tensor(), (2, 2), True))}, 'w'),
 'beside a tensor without values': (lambda: {'model': {'w': tensor(), 'm': other('_rebuild_meta_tensor_no_storage', named('torch', 'float32'), (2,), (1,), False)}}, 'w'),
 'beside a quantised tensor': (lambda: {'model': {'w': tensor()}, 'q': other('_rebuild_qtensor', Storage('QInt8Storage', '1', 4), 0, (4,), (1,), (named('torch', 'per_tensor_affine'), .1, 0), False, collections.OrderedDict())}, 'w'),
 'beside complex32': (lambda: {'model': {'w': tensor()}, 'c': Reduced(v3, (Storage('UntypedStorage', '1', 16), 0, (4,), (1,), False, collections.OrderedDict(), named('torch', 'complex32')))}, 'w'),
 'beside an optimizer': (lambda: {'model': {'w': tensor()}, 'optimizer': whole}, 'w'),
 'without values': (lambda: {'model': {'w': other('_rebuild_meta_tensor_no_storage', named('torch', 'float32'), (2, 2), (2, 1), False)}}, "! 'w' is on the device meta"),
 'quantised': (lambda: {'w': other('_rebuild_qtensor', Storage('QInt8Storage', '1', 4), 0, (2, 2), (2, 1), (1, .1, 0), False, collections.OrderedDict())}, "! 'w' is quantised"),
 'sparse': (lambda: {'w': other('_rebuild_sparse_tensor', 1, (tensor(), tensor(), (2, 2), True))}, "! 'w' is sparse"),
 'of a float8 type': (lambda: {'w': Reduced(v3, (Storage('UntypedStorage', elements=16), 0, (2, 2), (2, 1), False, collections.OrderedDict(), named('torch', 'float8_e5m2')))}, "! 'w' has the type float8_e5m2"),
 'of a class': (lambda: {'w': Reduced(typed, (v2, own_tensor, plain(), {}))}, "! 'w' is of the tensor class project.net.OwnTensor"),
 'spread': (lambda: {'w': Reduced(typed, (function('torch._utils', '_rebuild_wrapper_subclass'), cls('torch.distributed._tensor.api', 'DTensor'), (1,), {}))}, "! 'w' is a DTensor"),
 'sharded': (lambda: {'w': Reduced(cls('torch.distributed._shard.sharded_tensor.api', 'ShardedTensor'), (), {'shards': [tensor()]})}, "! 'w' is of the class torch.distributed._shard.sharded_tensor.api.ShardedTensor"),
 'in a whole module': (lambda: whole, '! state_dict()'),
 'in a whole module with its source': (lambda: Reduced(function('copyreg', '_reconstructor'), (Source(net), object, None), {'_parameters': {'w': tensor()}}), '! state_dict()'),
 'in a module in a dictionary': (lambda: {'model': whole, 'epoch': 1}, '! state_dict()'),
 'in a module beside a number': (lambda: {'model': whole, 'loss': tensor()}, '! state_dict()'),
}
def torch_pickle(value, protocol):
    stream = io.BytesIO(); TorchPickler(stream, protocol).dump(value); return stream.getvalue()
out = {'tensors': {kind: {'right': right, 'pickles': [base64.b64encode(torch_pickle(make(), p)).decode() for p in range(2, 6)]} for kind, (make, right) in T.items()}}
for kind, (make, names) in D.items():
    pickles = []
    for protocol in range(6):
        try: data = pickle.dumps({'args': make(), 'epoch': 3}, protocol)
        except Exception as e: pickles.append(None); continue
        # Before protocol 4, __new__ with names is fetched by getattr, which is refused everywhere.
        pickles.append(None if b'getattr' in data else base64.b64encode(data).decode())
    out[kind] = {'names': names, 'pickles': pickles}
print('{\n' + ',\n'.join(f'  {json.dumps(k)}: {json.dumps(v)}' for k, v in out.items()) + '\n}')
