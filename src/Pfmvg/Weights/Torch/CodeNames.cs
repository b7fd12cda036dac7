using System.Collections.Frozen;

namespace Pfmvg.Weights.Torch;

/// <summary>
/// Names that run code or fetch some. Nothing that a pickle names is ever called here, but a file that names one of these was made to
/// attack other programs, and is refused whole.
/// </summary>
internal static class CodeNames
{
    // Modules of which every name counts, with all that lies below them.
    private static readonly FrozenSet<string> Modules = FrozenSet.ToFrozenSet(
    [
        "os", "posix", "nt", "sys", "subprocess", "_posixsubprocess", "popen2", "shutil", "pty", "_winapi", "winreg", "_winreg", "msvcrt",
        "ctypes", "_ctypes", "cffi", "importlib", "_frozen_importlib", "_frozen_importlib_external", "imp", "_imp", "pkgutil", "zipimport",
        "runpy", "site", "pip", "ensurepip", "setuptools", "pkg_resources", "distutils", "venv", "code", "codeop", "bdb", "pdb", "cProfile",
        "profile", "trace", "timeit", "doctest", "idlelib", "lib2to3", "pickle", "_pickle", "cPickle", "pickletools", "marshal", "shelve",
        "dill", "cloudpickle", "jsonpickle", "socket", "_socket", "socketserver", "httplib", "urllib2", "requests", "aiohttp", "httpx",
        "ftplib", "smtplib", "telnetlib", "poplib", "imaplib", "xmlrpc", "webbrowser", "antigravity", "paramiko", "pexpect", "asyncio",
        "_thread", "thread", "atexit",
        "commands", "SocketServer", "xmlrpclib", // as Python 3 writes subprocess, socketserver and xmlrpc.client in protocol 2
    ], StringComparer.Ordinal);

    // Single modules and names within packages that are harmless otherwise.
    private static readonly string[] Within =
    [
        "torch.load", "torch.hub", "torch.serialization.load", "torch.storage._load_from_bytes", "torch.package", "torch.ops",
        "torch.classes", "torch._ops", "torch._classes", "torch.jit.load", "torch.jit._serialization", "torch.jit.unsupported_tensor_ops",
        "torch.utils.cpp_extension", "torch.utils.model_zoo", "torch.utils.collect_env", "torch.utils.bottleneck",
        "torch.utils._config_module", "torch.utils.data.datapipes.utils.decoder", "torch._inductor", "torch._dynamo.guards",
        "torch.fx.experimental.symbolic_shapes", "torch.distributed.rpc", "multiprocessing.reduction", "multiprocessing.util",
        "urllib.urlopen", "urllib.urlretrieve", "platform.popen", "joblib.load", "joblib.numpy_pickle.load",
        "numpy.testing", "numpy.f2py", "numpy.distutils", "numpy.load", "numpy.lib.npyio", "numpy.lib._npyio_impl", "numpy.ctypeslib",
        "numpy.core._multiarray_tests", "numpy._core._multiarray_tests", "pandas.read_pickle", "pandas.io.pickle", "pandas.eval",
        "operator.attrgetter", "operator.methodcaller", "_operator.attrgetter", "_operator.methodcaller",
        "types.CodeType", "types.FunctionType", "types.LambdaType", "logging.config", "urllib.request", "http.client", "http.server",
        "yaml.load", "yaml.unsafe_load", "yaml.full_load", "io.open", "io.open_code", "_io.open", "_io.open_code", "_io.FileIO",
        "io.FileIO",
        "codecs.open", "nturl2path", "functools.reduce", "_functools.reduce", "tensorflow.io", "tensorflow.keras.models.load_model",
        "keras.models.load_model",
    ];

    private static readonly FrozenSet<string> Builtins = FrozenSet.ToFrozenSet(
    [
        "eval", "exec", "execfile", "compile", "open", "file", "getattr", "setattr", "delattr", "hasattr", "__import__", "apply", "map",
        "filter", "reduce", "input", "raw_input", "breakpoint", "globals", "locals", "vars", "dir", "help", "exit", "quit", "reload",
    ], StringComparer.Ordinal);

    // What a dotted name may lead to from any module, as in "random._os.system".
    private static readonly FrozenSet<string> WaysOut = FrozenSet.ToFrozenSet(
    [
        "os", "posix", "nt", "sys", "subprocess", "shutil", "importlib", "ctypes", "socket", "pty", "pickle", "runpy", "marshal",
        "builtins", "eval", "exec", "system", "popen",
    ], StringComparer.Ordinal);

    /// <summary>Whether a pickle that names this is refused, whether or not it would call it.</summary>
    public static bool Has(string module, string name)
    {
        var parts = name.Split('.');
        if (module is "builtins" or "__builtin__" or "__builtins__") return Builtins.Contains(parts[0]) || parts.Skip(1).Any(IsWayOut);
        var whole = $"{module}.{name}";
        return Modules.Contains(module.Split('.')[0]) || parts.Any(IsWayOut)
            || Within.Any(known => whole.StartsWith(known, StringComparison.Ordinal)
                && (whole.Length == known.Length || whole[known.Length] == '.'));
    }

    // The special attributes of any object lead to all others.
    private static bool IsWayOut(string part) => WaysOut.Contains(part.TrimStart('_'))
        || (part.StartsWith("__", StringComparison.Ordinal) && part.EndsWith("__", StringComparison.Ordinal)
            && part is not ("__newobj__" or "__newobj_ex__" or "__new__"));
}
