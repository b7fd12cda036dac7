using System.Net.Sockets;
using Pfmvg.Configuration;
using Pfmvg.Data.Files;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Imaging;
using Pfmvg.Models;
using Pfmvg.Tests.Support;
using Pfmvg.Text;
using Pfmvg.Weights.Loading;

namespace Pfmvg.Tests;

/// <summary>What has no end or waits for somebody is refused with a sentence, by every reader.</summary>
public sealed class InputFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public InputFileTests() => Assert.Equal(0, Shell.Run("mkfifo", [_folder.In("pipe")]).ExitCode);

    public static TheoryData<string> Readers => [.. ByName.Keys];

    private static readonly Dictionary<string, Action<string>> ByName = new()
    {
        ["picture"] = path => ImageFile.Decode(path),
        ["picture's header"] = path => ImageFile.ReadHeader(path),
        ["CSV"] = path => CsvTable.Read(path, null, "image").ToList(),
        ["lines"] = path => DataFile.Lines(path).ToList(),
        ["answers"] = path => PredictionFile.Read(path),
        ["truth"] = path => TruthFile.Read(path + ".jsonl"),
        ["heat map"] = path => HeatMap.Read(path),
        ["hash"] = path => SourceFile.Read("predictions", path),
        ["weights"] = path => WeightFile.Open(path).Dispose(),
        ["tokenizer"] = path => LlamaTokenizer.Load(path),
        ["vocabulary"] = path => WordPiece.Load(path),
        ["config.json"] = path => HuggingFaceConfig.Find(Path.GetDirectoryName(path)!),
    };

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Each_kind_is_known_links_followed()
    {
        File.WriteAllText(_folder.In("file"), "x");
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(_folder.In("socket")));
        File.CreateSymbolicLink(_folder.In("link"), "pipe");
        File.CreateSymbolicLink(_folder.In("nowhere"), "nothing");
        Assert.Equal(
            [FileKind.File, FileKind.Pipe, FileKind.Socket, FileKind.Pipe, FileKind.Folder, FileKind.Device, FileKind.Missing,
                FileKind.Missing],
            new[] { _folder.In("file"), _folder.In("pipe"), _folder.In("socket"), _folder.In("link"), _folder.Path, "/dev/zero",
                _folder.In("nowhere"), "a\0b" }.Select(InputFile.KindOf));
    }

    [Theory]
    [MemberData(nameof(Readers))]
    public void No_reader_waits_for_a_pipe_or_reads_a_device(string reader)
    {
        foreach (var (target, kind) in new[] { (_folder.In("pipe"), "this is a pipe"), ("/dev/zero", "this is a device") })
        {
            var path = _folder.In(kind[^6..].Trim(), "config.json");
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            foreach (var name in new[] { path, path + ".jsonl" }) File.CreateSymbolicLink(name, target);
            var refused = Assert.Throws<InputException>(() => ByName[reader](path)).Message;
            Assert.StartsWith(path, refused, StringComparison.Ordinal);
            Assert.Contains(kind, refused, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_configuration_is_read_from_a_pipe_up_to_its_limit()
    {
        Assert.Contains("this is a device", Assert.Throws<InputException>(() => ConfigurationFile.Load("/dev/zero", [])).Message,
            StringComparison.Ordinal);
        var writing = Write("seed: 12\n");
        Assert.Equal(12, ConfigurationFile.Load(_folder.In("pipe"), []).Seed);
        await writing;
        writing = Write(new string('#', 2 << 20));
        Assert.Contains("larger than", Assert.Throws<InputException>(() => ConfigurationFile.Load(_folder.In("pipe"), [])).Message,
            StringComparison.Ordinal);
        await Assert.ThrowsAnyAsync<IOException>(() => writing); // nobody reads the rest

        Task Write(string text) => // opening it waits for the reader
            Task.Run(() => File.WriteAllText(_folder.In("pipe"), text), TestContext.Current.CancellationToken);
    }

    [Fact]
    public void More_bytes_than_a_file_may_have_are_refused()
    {
        File.WriteAllBytes(_folder.In("file"), new byte[1000]);
        Assert.Equal(1000, InputFile.ReadBytes(_folder.In("file"), 1000).Length);
        Assert.Contains("larger than 999 bytes", Assert.Throws<InputException>(() => InputFile.ReadBytes(_folder.In("file"), 999)).Message,
            StringComparison.Ordinal);
    }
}
