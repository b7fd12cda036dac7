using System.IO.Compression;
using System.Text;
using Pfmvg.Imaging;
using Pfmvg.Tests.Support;
using Pfmvg.Text;
using Pfmvg.Weights.Loading;

namespace Pfmvg.Tests;

/// <summary>What stands where a file should be is named, whichever file was asked for.</summary>
public sealed class OtherFileTests : IDisposable
{
    private const string Pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 226000000\n";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(Pointer, "git-lfs pointer")]
    [InlineData("<!DOCTYPE html><html><body>Sign in</body></html>", "HTML page")]
    [InlineData("\u00ef\u00bb\u00bf  \n<HTML lang=\"en\">quota</HTML>", "HTML page")]
    [InlineData("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", "XML text")]
    [InlineData("{\"error\": \"Repository not found\"}", "JSON text")]
    [InlineData("Entry not found", "the server's answer 'Entry not found'")]
    [InlineData("../../blobs/0123456789abcdef", "symbolic link")]
    [InlineData("", "empty")]
    public void A_failed_download_is_named_whatever_it_was_to_be(string content, string named)
    {
        var bytes = Encoding.Latin1.GetBytes(content);
        foreach (var name in new[] { "x.pth", "x.bin", "x.safetensors" })
            Assert.Contains(named, Refused(name, bytes, path => WeightFile.Open(path)), StringComparison.Ordinal);
        Assert.Contains(named, Refused("x.jpg", bytes, path => ImageFile.Decode(path)), StringComparison.Ordinal);
        Assert.Contains(named, Refused("tokenizer.model", bytes, path => LlamaTokenizer.Load(path)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GGUF\u0003\0\0\0", "GGUF")]
    [InlineData("\u0093NUMPY\u0001\0", "NumPy")]
    [InlineData("\u0089HDF\r\n\u001a\n", "HDF5")]
    [InlineData("\u001f\u008b\u0008\0", "gzip")]
    [InlineData("\u0028\u00b5\u002f\u00fd", "zstd")]
    [InlineData("\u0008\u0007\u0012\u0007pytorch\u001a", "ONNX")]
    [InlineData("{\"metadata\": {}, \"weight_map\": {\"a\": \"model-00001-of-00002.safetensors\"}}", "name its folder")]
    public void A_format_of_another_program_is_named(string content, string named) =>
        Assert.Contains(
            named, Refused("x.pth", Encoding.Latin1.GetBytes(content), path => WeightFile.Open(path)), StringComparison.Ordinal);

    [Fact]
    public void A_tar_archive_is_named()
    {
        var bytes = new byte[1024];
        Encoding.ASCII.GetBytes("model.pth").CopyTo(bytes, 0);
        Encoding.ASCII.GetBytes("ustar").CopyTo(bytes, 257);
        Assert.Contains("tar archive", Refused("x.pth", bytes, path => WeightFile.Open(path)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("m/data.pkl m/constants.pkl m/code/__torch__/a.py", "TorchScript")]
    [InlineData("m/models/model.json m/archive_format m/data/weights/model.pt", ".pt2")]
    [InlineData("serialized_exported_program.json version", ".pt2")]
    [InlineData("a.npy b.npy", ".npz")]
    [InlineData("run/pytorch_model.bin run/config.json", "zip archive of other files (run/pytorch_model.bin, run/config.json)")]
    public void A_zip_file_that_torch_save_has_not_written_is_named(string entries, string named)
    {
        var path = _folder.In("x.pth");
        using (var zip = ZipFile.Open(path, ZipArchiveMode.Create))
            foreach (var entry in entries.Split(' ')) zip.CreateEntry(entry);
        Assert.Contains(named, Assert.Throws<InputException>(() => WeightFile.Open(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_tokenizer_json_that_stands_alone_is_said_not_to_be_enough()
    {
        File.WriteAllText(_folder.In("tokenizer.json"), "{}");
        var message = Assert.Throws<InputException>(() => LlamaTokenizer.Load(_folder.In("tokenizer.model"))).Message;
        Assert.Contains("tokenizer.json beside it cannot be used", message, StringComparison.Ordinal);
        Assert.Contains("tokenizer.model", message, StringComparison.Ordinal);
    }

    private string Refused(string name, byte[] content, Action<string> open)
    {
        var path = _folder.In(name);
        File.WriteAllBytes(path, content);
        return Assert.Throws<InputException>(() => open(path)).Message;
    }
}
