namespace Pfmvg.Cli.Serving;

/// <summary>A request that is not answered, in the form that OpenAI's clients read.</summary>
/// <param name="status">HTTP status.</param>
/// <param name="message">One sentence for the user.</param>
/// <param name="param">The field that is wrong; null when it is none.</param>
/// <param name="code">A word for programs.</param>
internal sealed class ApiError(int status, string message, string? param = null, string? code = null) : Exception(message)
{
    public int Status { get; } = status;

    public string? Param { get; } = param;

    public string? Code { get; } = code;

    /// <summary>Seconds after which another try may succeed; null where it is useless.</summary>
    public int? RetryAfter { get; init; }

    /// <summary>The kind of error, in OpenAI's words.</summary>
    public string Type => Status switch
    {
        401 => "authentication_error",
        403 => "permission_error",
        429 => "rate_limit_error",
        >= 500 => "server_error",
        _ => "invalid_request_error",
    };

    /// <summary>A field holds what it cannot mean.</summary>
    public static ApiError Wrong(string param, string message) => new(400, $"{param}: {message}", param);

    /// <summary>No place, or no time; seconds are kept between 1 and 60, because clients sleep as long as they are told.</summary>
    public static ApiError Busy(int status, string message, string code, TimeSpan wait) => new(status, message, null, code)
    {
        RetryAfter = (int)Math.Clamp(Math.Ceiling(wait.TotalSeconds), 1, 60),
    };
}
