using System.Runtime.InteropServices;
using TorchSharp;

namespace Pfmvg.Tensors;

/// <summary>
/// The libtorch that this process computes with: the one that the build brings, or, in a build without one, that of the folder which
/// PFMVG_LIBTORCH names.
/// </summary>
internal static class Libtorch
{
    /// <summary>The variable that names a folder with libtorch.</summary>
    public const string Variable = "PFMVG_LIBTORCH";

    private const string Advice = "'pfmvg doctor --find-libtorch' lists those of this machine";

    // Each needs those before it. Only a CUDA build has the second and the fourth.
    private static readonly string[] InOrder =
        ["libc10.so", "libc10_cuda.so", LibtorchFolder.MainLibrary, "libtorch_cuda.so", "libtorch.so"];

    private static readonly Lock OneLoad = new();
    private static bool _loaded;

    /// <summary>
    /// Loads libtorch where the build brings none. Call before anything of TorchSharp is used, which then finds the library: the loader
    /// takes a loaded one for the same name before it searches.
    /// </summary>
    /// <exception cref="InputException">The folder is not named, not complete or of another version, or cannot be loaded.</exception>
    public static void Load()
    {
        lock (OneLoad)
        {
            if (_loaded) return;
            var named = Environment.GetEnvironmentVariable(Variable);
            if (BringsItsOwn() || LoadedFile() is not null)
            {
                // Two of them in one process would register every operator twice.
                if (!string.IsNullOrEmpty(named))
                    throw new InputException($"{Variable} is set, but this build brings its own libtorch; unset it, or build with "
                        + "-p:TorchBackend=system.");
            }
            else
            {
                LoadFrom(Chosen(named));
            }

            _loaded = true;
        }
    }

    /// <summary>The version of the loaded libtorch and the folder that it was loaded from. Loads it.</summary>
    public static (string Version, string Folder) InUse()
    {
        Load();
        torch.InitializeDeviceType(DeviceType.CPU);
        var folder = Path.GetDirectoryName(LoadedFile());
        return folder is null ? (torch.__version__, "unknown")
            : (LibtorchFolder.VersionIn(folder)?.ToString() ?? "unknown", folder);
    }

    /// <summary>A line for the user where the named libtorch is not of the version that this program was compiled for.</summary>
    public static string? Difference() => Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } named
        ? LibtorchFolder.Examine(named).Difference : null;

    private static LibtorchFolder Chosen(string? named)
    {
        if (string.IsNullOrEmpty(named))
            throw new InputException($"This build brings no libtorch; set {Variable} to a folder with libtorch {LibtorchFolder.Range}, "
                + $"such as torch/lib of an installed PyTorch ({Advice}).");
        if (!Directory.Exists(named)) throw new InputException($"{Variable}: there is no folder {named}; {Advice}.");
        var folder = LibtorchFolder.Examine(named);
        return folder.Problem is { } problem ? throw new InputException($"{Variable}: {folder.Path} {problem}; {Advice}.") : folder;
    }

    private static void LoadFrom(LibtorchFolder folder)
    {
        var files = InOrder.Select(name => Path.Combine(folder.Path, name)).Where(File.Exists);
        var binding = Path.Combine(AppContext.BaseDirectory, "libLibTorchSharp.so");
        foreach (var file in File.Exists(binding) ? files.Append(binding) : files)
        {
            try
            {
                NativeLibrary.Load(file);
            }
            catch (DllNotFoundException failure)
            {
                var reason = failure.Message.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)[^1];
                throw new InputException($"{Variable}: {file} cannot be loaded with the libtorch of {folder.Path}: {reason}", failure);
            }
        }
    }

    // Where the host looks for native libraries: the program's folder, or the folders of the packages.
    private static bool BringsItsOwn() => $"{AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES")}:{AppContext.BaseDirectory}"
        .Split(':', StringSplitOptions.RemoveEmptyEntries).Any(folder => File.Exists(Path.Combine(folder, LibtorchFolder.MainLibrary)));

    private static string? LoadedFile() => LoadedLibraries.Find(name => name == LibtorchFolder.MainLibrary);
}
