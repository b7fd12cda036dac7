using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Pfmvg.Cli.Serving.Chat;
using Pfmvg.Imaging;
using Pfmvg.Serving;

namespace Pfmvg.Cli.Serving;

/// <summary>The HTTP server around a model. It reads no configuration of ASP.NET's, logs nothing and writes nothing.</summary>
internal sealed class Server : IAsyncDisposable
{
    private readonly WebApplication _web;
    private readonly AnswerQueue _queue;
    private readonly AnswerDesk _desk;
    private readonly RequestGate _gate;
    private readonly ServerMetrics _metrics;
    private readonly ServedModel _model;
    private readonly Dictionary<string, (string Method, Func<HttpContext, Task> Answer)> _routes;
    private readonly Action<string> _tell;
    private readonly long _created = DateTimeOffset.UtcNow.ToUnixTimeSeconds();

    private Server(ServedModel model, ServerOptions options, Action<string> tell, AnswerQueue.Answerer? answer)
    {
        const long ShelfBytes = 256 << 20;
        (_model, _tell) = (model, tell);
        var shelf = new PictureShelf(
            model.ImageSize, model.Dicom, options.MostPixels, (int)Math.Clamp(ShelfBytes / model.FeatureBytes, 16, 1024),
            new TruncationGuard(model.Setup.Configuration.Data.TruncatedPictures));
        _queue = new AnswerQueue(answer ?? model.Answer, options.Queue, model.BatchSize);
        _desk = new AnswerDesk(model, _queue, shelf, options);
        _gate = new RequestGate(options);
        _metrics = new ServerMetrics(_queue, shelf);
        var bodies = new RequestBody(options);
        var examples = new ExampleApi(model.Setup.Configuration);
        _routes = new()
        {
            ["/healthz"] = ("GET", Health),
            ["/metrics"] = ("GET", context => Send(context, 200, Encoding.UTF8.GetBytes(_metrics.Text()), "text/plain; version=0.0.4")),
            ["/openapi.json"] = ("GET", context => Send(context, 200, StaticPage.Resource("openapi.json"))),
            ["/v1/models"] = ("GET", Models),
            ["/v1/chat/completions"] = ("POST", new ChatApi(_desk, bodies, options).Handle),
            ["/v1/ground"] = ("POST", new GroundApi(_desk, bodies).Handle),
            ["/v1/picture"] = ("POST", new PictureApi(_desk, shelf, bodies).Handle),
            ["/v1/examples"] = ("GET", examples.List),
            ["/v1/examples/picture"] = ("GET", examples.Picture),
        };
        _web = Build(options);
    }

    /// <summary>Where it listens, as a browser is told.</summary>
    public string Address { get; private set; } = "";

    /// <summary>Batches that were answered.</summary>
    public long Batches => _queue.Batches;

    /// <summary>Questions in them.</summary>
    public long Answered => _queue.Answered;

    /// <summary>Starts to serve a model.</summary>
    /// <param name="model">The model; the caller disposes of it after the server.</param>
    /// <param name="options">Where, to whom and how much.</param>
    /// <param name="tell">Gets a line about a failure, which holds nothing of the request.</param>
    /// <param name="answer">Answers in the model's place; null is the model itself.</param>
    /// <exception cref="InputException">The port is taken, or the address is not this machine's.</exception>
    public static async Task<Server> Start(
        ServedModel model, ServerOptions options, Action<string> tell, AnswerQueue.Answerer? answer = null)
    {
        var server = new Server(model, options, tell, answer);
        try
        {
            await server._web.StartAsync();
            var port = new Uri(server._web.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses
                .First()).Port;
            var name = options.Listen is { } ip && !ip.Equals(IPAddress.Any) && !ip.Equals(IPAddress.IPv6Any) ? new IPEndPoint(ip, 0)
                .ToString()[..^2] : options.IsLoopback ? "localhost" : Environment.MachineName;
            server.Address = $"http://{name}:{port}";
            return server;
        }
        catch (Exception failure)
        {
            await server.DisposeAsync();
            if (failure is IOException { InnerException: AddressInUseException }) throw options.Refusal(SocketError.AddressAlreadyInUse);
            if (failure is SocketException socket) throw options.Refusal(socket.SocketErrorCode);
            throw;
        }
    }

    /// <summary>Takes no more requests, answers those that run, and ends.</summary>
    public async ValueTask DisposeAsync()
    {
        await _web.StopAsync();
        await _web.DisposeAsync();
        _queue.Dispose();
        _desk.Dispose();
    }

    /// <summary>Sends a whole answer.</summary>
    public static async Task Send(HttpContext context, int status, byte[] body, string type = "application/json")
    {
        var response = context.Response;
        (response.StatusCode, response.ContentType, response.ContentLength) = (status, type, body.Length);
        if (!HttpMethods.IsHead(context.Request.Method)) await response.Body.WriteAsync(body, context.RequestAborted);
    }

    /// <summary>What a client is told about a failure.</summary>
    public static ApiError Explain(Exception failure) => failure switch
    {
        ApiError refused => refused,
        InputException wrong => new ApiError(400, wrong.Message),
        Microsoft.AspNetCore.Http.BadHttpRequestException bad =>
            new ApiError(bad.StatusCode, "The request is no valid HTTP, or was cut off."),
        _ => new ApiError(500, "The server failed at this request, and would fail at it again.", null, "failure"),
    };

    private WebApplication Build(ServerOptions options)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = options.Deadline + TimeSpan.FromSeconds(5));
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxConcurrentConnections = 1024;
            kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(15);
            if (options.Listen is { } address) kestrel.Listen(address, options.Port, Http1);
            else if (options.Port == 0) kestrel.Listen(IPAddress.Loopback, 0, Http1);
            else kestrel.ListenLocalhost(options.Port, Http1);
        });
        var web = builder.Build();
        web.Run(Handle);
        return web;

        static void Http1(ListenOptions listen) => listen.Protocols = HttpProtocols.Http1;
    }

    private async Task Handle(HttpContext context)
    {
        var began = Stopwatch.GetTimestamp();
        var (request, response) = (context.Request, context.Response);
        _metrics.Began(int.TryParse(request.Headers["X-Stainless-Retry-Count"], out var tries) && tries > 0);
        response.Headers.XContentTypeOptions = "nosniff";
        response.Headers["Cross-Origin-Resource-Policy"] = "same-origin";
        response.Headers["Referrer-Policy"] = "no-referrer";
        var path = request.Path.Value ?? "/";
        if (path is "/chat/completions" or "/models") path = "/v1" + path; // a base address without its /v1
        try
        {
            await Route(context, path);
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            response.StatusCode = response.HasStarted ? response.StatusCode : 499; // nobody reads it
        }
        catch (Exception failure)
        {
            var error = Explain(failure);
            if (error.Code == "failure") Report(failure);
            if (!response.HasStarted) await Refuse(context, error);
        }

        _metrics.Ended(_routes.ContainsKey(path) ? path : "other", response.StatusCode, Stopwatch.GetElapsedTime(began));
    }

    private async Task Route(HttpContext context, string path)
    {
        var isRead = HttpMethods.IsGet(context.Request.Method) || HttpMethods.IsHead(context.Request.Method);
        var page = isRead ? StaticPage.Find(path) : null;
        _gate.Check(context.Request, open: page is not null || path == "/healthz");
        if (page is { } file)
        {
            context.Response.Headers.ContentSecurityPolicy = StaticPage.Policy;
            context.Response.Headers.CacheControl = "no-cache";
            await Send(context, 200, file.Content, file.Type);
            return;
        }

        context.Response.Headers.CacheControl = "no-store";
        if (isRead && path.StartsWith("/v1/models/", StringComparison.Ordinal))
        {
            await Send(context, 200, ApiJson.Bytes(WriteModel)); // under any name: there is one
            return;
        }

        if (!_routes.TryGetValue(path, out var route))
            throw new ApiError(404, "There is nothing at this address; /v1/chat/completions and /v1/ground answer, and /openapi.json tells "
                + "how to ask.", null, "not_found");
        if (route.Method == "GET" ? !isRead : context.Request.Method != route.Method)
        {
            context.Response.Headers.Allow = route.Method;
            throw new ApiError(405, $"{path} takes {route.Method}.", null, "method_not_allowed");
        }

        await route.Answer(context);
    }

    private static async Task Refuse(HttpContext context, ApiError error)
    {
        var headers = context.Response.Headers;
        if (error.RetryAfter is { } seconds) headers.RetryAfter = $"{seconds}";
        else if (error.Status >= 500) headers["X-Should-Retry"] = "false";
        if (error.Status == 401) headers.WWWAuthenticate = "Bearer";
        await Send(context, error.Status, ApiJson.Error(error));
    }

    // The kind and the place alone: the message may hold something of a picture or a phrase.
    private void Report(Exception failure) =>
        _tell($"a request failed: {failure.GetType().Name} in {failure.TargetSite?.DeclaringType?.FullName}.{failure.TargetSite?.Name}");

    private static Task Health(HttpContext context) => Send(context, 200, ApiJson.Bytes(json => json.WriteString("status", "ok")));

    private Task Models(HttpContext context) => Send(context, 200, ApiJson.Bytes(json =>
    {
        json.WriteString("object", "list");
        json.WriteStartArray("data");
        json.WriteStartObject();
        WriteModel(json);
        json.WriteEndObject();
        json.WriteEndArray();
    }));

    private void WriteModel(System.Text.Json.Utf8JsonWriter json)
    {
        json.WriteString("id", _model.Name);
        json.WriteString("object", "model");
        json.WriteNumber("created", _created);
        json.WriteString("owned_by", "local");
    }
}
