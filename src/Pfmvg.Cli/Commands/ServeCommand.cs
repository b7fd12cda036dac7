using System.CommandLine;
using System.Net;
using System.Runtime.CompilerServices;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Cli.Process;
using Pfmvg.Cli.Serving;
using Pfmvg.Distributed;
using Pfmvg.Exporting;
using Pfmvg.Runs;
using Pfmvg.Serving;

namespace Pfmvg.Cli.Commands;

/// <summary>`pfmvg serve`: the model behind a page and an API on this machine.</summary>
internal static class ServeCommand
{
    private const string KeyVariable = "PFMVG_API_KEY";

    public static Command Create()
    {
        var usual = new ServerOptions();
        var from = new Option<string?>("--from")
        {
            Description = "The run folder, checkpoint or peft adapter folder of the model, or 'base' for the base weights alone. A run "
                + "brings its own configuration. Default: stage 2's result of the configuration.",
            HelpName = "PATH",
        };
        var port = new Option<int>("--port")
        {
            Description = "Where to listen; 0 takes a free port.",
            DefaultValueFactory = _ => usual.Port,
        }.Between(0, 65_535);
        var listen = new Option<string?>("--listen")
        {
            Description = "The address to listen at, such as 0.0.0.0 for all of this machine's. Other machines can then ask, so a key is "
                + $"needed: {KeyVariable} or --key-file. Default: this machine alone.",
            HelpName = "ADDRESS",
        };
        var key = new Option<string?>("--key-file")
        {
            Description = $"A file with the API key that clients must bring. Default: the environment variable {KeyVariable}; without "
                + "one there is none.",
            HelpName = "FILE",
        };
        var host = new Option<string[]>("--host")
        {
            Description = "Another name by which clients call the server, as behind a proxy. May be repeated.",
            DefaultValueFactory = _ => [],
            HelpName = "NAME",
        };
        var queue = new Option<int>("--queue")
        {
            Description = "Questions that may wait; those that come when all places are taken are sent away.",
            DefaultValueFactory = _ => usual.Queue,
        }.Between(1, 100_000);
        var deadline = new Option<int>("--deadline")
        {
            Description = "Longest time until an answer, in seconds.",
            DefaultValueFactory = _ => (int)usual.Deadline.TotalSeconds,
        }.Between(1, 86_400);
        var megabytes = new Option<int>("--max-megabytes")
        {
            Description = "Largest request in MiB, unpacked.",
            DefaultValueFactory = _ => (int)(usual.MostBytes >> 20),
        }.Between(1, 1024);
        var megapixels = new Option<int>("--max-megapixels")
        {
            Description = "Largest picture in millions of pixels.",
            DefaultValueFactory = _ => (int)(usual.MostPixels / 1_000_000),
        }.Between(1, 178);
        var command = new Command("serve", "Open a page and an API on this machine: a picture and phrases in, boxes in pixels out.")
        {
            from, port, listen, key, host, queue, deadline, megabytes, megapixels,
        };
        var configuration = new ConfigurationOptions().AddTo(command).AddConstraint(command);
        command.SetAction(parsed =>
        {
            var options = new ServerOptions
            {
                Listen = Address(parsed.GetValue(listen)),
                Port = parsed.GetValue(port),
                Key = Key(parsed.GetValue(key)),
                Hosts = parsed.GetValue(host)!,
                Queue = parsed.GetValue(queue),
                Deadline = TimeSpan.FromSeconds(parsed.GetValue(deadline)),
                MostBytes = (long)parsed.GetValue(megabytes) << 20,
                MostPixels = parsed.GetValue(megapixels) * 1_000_000L,
            };
            if (!options.IsLoopback && options.Key is null)
                throw new InputException($"--listen {options.Listen}: other machines can then ask, so the server needs an API key; put one "
                    + $"into the environment variable {KeyVariable}, or into a file that --key-file names.");
            options.RequireFree();
            var model = parsed.GetValue(from);
            var settings = model is null or "base" ? configuration.Read(parsed)
                : configuration.Read(parsed, () => ExportSource.Find(model).ConfigurationPath);
            using var world = new SingleProcess();
            using var interrupt = new Interrupt("requests that are running are answered, then the server ends.");
            using var display = new TerminalDisplay();
            var session = new Session(settings, world, display, interrupt.Token);
            using var served = ServedModel.Open(session.Configuration, model == "base" ? null : model, model == "base", interrupt.Token);
            foreach (var note in served.Notes) Terminal.Standard.Message(note);
            Serve(served, options, interrupt.Token).GetAwaiter().GetResult();
            return ExitCode.Success;
        });
        return command;
    }

    // A method of its own, so that other commands never load ASP.NET.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static async Task Serve(ServedModel model, ServerOptions options, CancellationToken interrupt)
    {
        await using var server = await Server.Start(model, options, Terminal.Standard.Message);
        Terminal.Standard.Print($"{model.Name} answers at {server.Address} (Ctrl-C ends it). Research only, not for clinical use.");
        if (!options.IsLoopback)
            Terminal.Standard.Message("What is sent is not encrypted: let other machines come through a proxy with TLS.");
        await Task.Delay(Timeout.Infinite, interrupt).ContinueWith(_ => { }, TaskScheduler.Default);
    }

    private static IPAddress? Address(string? text) => text is null or "localhost" ? null
        : IPAddress.TryParse(text, out var address) ? address
        : throw new InputException($"--listen {text}: is no address; name one of this machine's, such as 0.0.0.0 for all of them.");

    private static string? Key(string? file)
    {
        const int Shortest = 16;
        var (key, place) = (Environment.GetEnvironmentVariable(KeyVariable), KeyVariable);
        if (file is not null)
        {
            try
            {
                (key, place) = (InputFile.ReadText(file).Trim(), file);
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                throw FileFault.At($"--key-file {file}", file, failure);
            }
        }
        else if (string.IsNullOrEmpty(key))
        {
            return null;
        }

        return key!.Length >= Shortest && key.All(letter => letter is > ' ' and <= '~') ? key
            : throw new InputException($"{place}: a key has at least {Shortest} letters and digits and no spaces; make one with "
                + "'openssl rand -hex 32'.");
    }
}
