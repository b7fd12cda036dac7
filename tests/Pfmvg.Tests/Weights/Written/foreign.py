"""Pickles of values that checkpoints hold beside their weights, in every protocol. Written by Python's own pickle; stand-ins of
libraries that reduce as theirs do are made below. Prints one JSON object: kind -> {names, pickles: [base64 per protocol]}."""
import argparse, base64, collections, copyreg, datetime, decimal, enum, fractions, functools, io, json, pathlib, pickle, sys, types, uuid

def module(name):
    parts = name.split('.')
    for i in range(1, len(parts) + 1):
        full = '.'.join(parts[:i])
        sys.modules.setdefault(full, types.ModuleType(full))
    return sys.modules[name]

def place(module_name, name, value):
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
out = {}
for kind, (make, names) in D.items():
    pickles = []
    for protocol in range(6):
        try: data = pickle.dumps({'args': make(), 'epoch': 3}, protocol)
        except Exception as e: pickles.append(None); continue
        # Before protocol 4, __new__ with names is fetched by getattr, which is refused everywhere.
        pickles.append(None if b'getattr' in data else base64.b64encode(data).decode())
    out[kind] = {'names': names, 'pickles': pickles}
print('{\n' + ',\n'.join(f'  {json.dumps(k)}: {json.dumps(v)}' for k, v in out.items()) + '\n}')
