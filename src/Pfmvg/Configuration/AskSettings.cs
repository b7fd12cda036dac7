using System.ComponentModel.DataAnnotations;

namespace Pfmvg.Configuration;

/// <summary>How a model behind an OpenAI-compatible server is asked.</summary>
public sealed record AskSettings
{
    /// <summary>What is asked: a prompt of ours by its name, or a text of one's own with {phrase} where the phrase goes.</summary>
    [RegularExpression(@"ours|qwen|internvl|free|[\s\S]*\{phrase\}[\s\S]*")] public string Prompt { get; init; } = "ours";

    /// <summary>Longest side of the picture that is sent, in pixels; a smaller one keeps its size. 0 keeps every size.</summary>
    [Range(0, 16384)] public int LongestSide { get; init; } = 1024;

    /// <summary>Both sides become multiples of this number of pixels, as some models would make them anyway.</summary>
    [Range(1, 256)] public int Multiple { get; init; } = 1;

    /// <summary>The temperature that is asked for; below 0 none is sent, for servers that refuse one.</summary>
    [Range(-1.0, 2.0)] public double Temperature { get; init; }

    /// <summary>Longest answer in tokens.</summary>
    [Range(1, 1 << 20)] public int MaxTokens { get; init; } = 512;

    /// <summary>The field that says so.</summary>
    public TokenLimitField LimitField { get; init; } = TokenLimitField.MaxTokens;

    /// <summary>Requests that are under way together, about different pictures.</summary>
    [Range(1, 256)] public int Concurrency { get; init; } = 4;

    /// <summary>Seconds until the whole of an answer must be there.</summary>
    [Range(0.01, 3600.0)] public double Timeout { get; init; } = 120;

    /// <summary>How often a request that failed is sent again.</summary>
    [Range(0, 100)] public int Retries { get; init; } = 4;

    /// <summary>Seconds before the first of them; each further one waits twice as long, unless the server says how long.</summary>
    [Range(0.001, 600.0)] public double Wait { get; init; } = 0.5;

    /// <summary>The longest such wait in seconds, whatever the server says.</summary>
    [Range(0.001, 3600.0)] public double LongestWait { get; init; } = 60;

    /// <summary>The environment variable with the key; without it no key is sent.</summary>
    [RegularExpression("[A-Za-z_][A-Za-z0-9_]*")] public string KeyVariable { get; init; } = "PFMVG_ASK_KEY";
}

/// <summary>How the longest answer is called in a request: older and newer servers differ.</summary>
public enum TokenLimitField
{
    /// <summary>`max_tokens`.</summary>
    MaxTokens,

    /// <summary>`max_completion_tokens`.</summary>
    MaxCompletionTokens,
}
