using Pfmvg.Tensors;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Tensors;

/// <summary>The version of a libtorch is known before it is loaded.</summary>
public sealed class LibtorchFolderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_version_of_the_real_library_stands_in_its_code()
    {
        var (version, folder) = Libtorch.InUse();
        Assert.Equal("2.10.0", LibtorchVersion.Read(Path.Combine(folder, "libtorch_cpu.so"))?.ToString());
        Assert.Equal("2.10.0", version);
        Assert.True(LibtorchFolder.Examine(folder).Fits);
    }

    [Theory]
    [InlineData("1.10.0", false)]
    [InlineData("2.9.1", false)]
    [InlineData("2.10.0", true)]
    [InlineData("2.11.0", true)]
    [InlineData("2.12.1", true)]
    [InlineData("2.13.0", false)]
    [InlineData("2.100.0", false)]
    [InlineData("3.10.0", false)]
    public void Versions_of_the_range_fit_and_no_others(string version, bool fits)
    {
        var folder = LibtorchFolder.Examine(FakeLibtorch.Write(_folder.In(version), version));
        Assert.Equal((version, fits, fits), (folder.Version?.ToString(), folder.Fits, folder.Problem is null));
        Assert.Equal(version == "2.10.0", folder.IsCompiledFor);
        Assert.Equal(fits && version != "2.10.0" ? $"note: libtorch {version} of {folder.Path} is used" : null,
            folder.Difference?.Split(';')[0]);
        if (!fits) Assert.Equal($"holds libtorch {version}, but this program works with 2.10 to 2.12 only", folder.Problem);
    }

    [Fact]
    public void A_library_that_does_not_tell_its_version_has_that_of_the_file_installed_with_it()
    {
        var folder = FakeLibtorch.Write(_folder.In("torch", "lib"), "2.12.0");
        File.WriteAllText(_folder.In("torch", "version.py"), "__all__ = ['__version__']\n__version__ = '2.11.0+cu130'\n");
        Assert.Equal(new Version(2, 12, 0), LibtorchFolder.Examine(folder).Version); // the library knows better
        File.WriteAllBytes(_folder.In("torch", "lib", "libtorch_cpu.so"), [0]);
        Assert.Equal(new Version(2, 11, 0), LibtorchFolder.Examine(folder).Version);
        File.Move(_folder.In("torch", "version.py"), _folder.In("torch", "build-version"));
        Assert.Equal(new Version(2, 11, 0), LibtorchFolder.Examine(_folder.In("torch")).Version); // its folder lib is found
        File.Delete(_folder.In("torch", "build-version"));
        Assert.Contains("does not tell its version", LibtorchFolder.Examine(folder).Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_cut_or_changed_library_never_ends_in_an_exception()
    {
        var library = FakeLibtorch.Library("2.10.0");
        var path = _folder.In("libtorch_cpu.so");
        for (var length = 0; length < library.Length - 64; length++) // the last section is needed, too
        {
            File.WriteAllBytes(path, library[..length]);
            Assert.Null(LibtorchVersion.Read(path));
        }

        for (var at = 0; at < library.Length; at++)
        {
            var changed = (byte[])library.Clone();
            changed[at] ^= 0xFF;
            File.WriteAllBytes(path, changed);
            _ = LibtorchVersion.Read(path);
        }
    }
}
