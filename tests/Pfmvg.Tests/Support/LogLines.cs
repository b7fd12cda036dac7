using System.Text.Json.Nodes;

namespace Pfmvg.Tests.Support;

/// <summary>Lines of a log as objects that a test may take apart.</summary>
internal static class LogLines
{
    public static IEnumerable<JsonObject> Nodes(this IEnumerable<JsonInput> lines) =>
        lines.Select(line => JsonNode.Parse(line.Element.GetRawText())!.AsObject());
}
