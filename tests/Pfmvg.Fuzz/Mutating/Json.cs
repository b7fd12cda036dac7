using System.Text;
using System.Text.Json;

namespace Pfmvg.Fuzz.Mutating;

/// <summary>Values and properties of JSON, in place, so that what no writer writes can stand there, too.</summary>
internal static class Json
{
    /// <summary>A value with the name before it, where it has one, as places in the text.</summary>
    private sealed record Node(int Name, int Start, int End);

    private static readonly byte[][] Values =
    [
        .. new[]
        {
            "null", "true", "false", "0", "-1", "1.5", "1e308", "1e999", "-0.0", "2147483648", "-9223372036854775809",
            "123456789012345678901234567890",
            "\"\"", "\"NaN\"", "\"1\"", "\"\\ud800\"", "\"\\udc00x\"", "\"\\u0000\"", "\"\\u001b[31mred\"", "\"\\u202e\"", "\"../../x\"",
            "\"/dev/zero\"",
            "{}", "[]", "[[]]", "[null]", "[{}]", "[1,2,3,4]", "[[1,2,3,4],[5]]", "[\"a\",1,null]", "{\"a\":1,\"a\":2}", "{\"\":null}",
            "{\"\\ud800\":1}", "[1e999]", "NaN", "Infinity", "'a'", "\"\u0001\"", "\"\ud7ff\"", ",", "]", "}", "1 2", "// x\n1",
            "\"\u00e9\"",
            $"\"{new string('x', 5000)}\"", $"{new string('[', 40)}{new string(']', 40)}",
                $"{new string('[', 5000)}{new string(']', 5000)}",
            $"{string.Concat(Enumerable.Repeat("{\"a\":", 70))}1{new string('}', 70)}", new string('9', 3000), $"0.{new string('1', 3000)}",
        }.Select(Encoding.UTF8.GetBytes),
        "\"\u00ff\u00fe\""u8.ToArray(), [(byte)'"', 0xff, 0xfe, (byte)'"'], [(byte)'"', 0xed, 0xa0, 0x80, (byte)'"'], // never UTF-8
    ];

    /// <summary>A file that is one value.</summary>
    public static Mutation Tree { get; } = Change;

    /// <summary>A file with one value a line.</summary>
    public static Mutation TreesOfLines { get; } = (input, dice) =>
    {
        List<byte[]> lines = [.. SplitLines(input)];
        if (lines.Count == 0) return input;
        if (dice.OneIn(4)) return Words.Lines(input, dice);
        var at = dice.Below(lines.Count);
        lines[at] = Change(lines[at], dice);
        return [.. lines.SelectMany(line => line)];
    };

    private static IEnumerable<byte[]> SplitLines(byte[] input)
    {
        for (int start = 0, end; start < input.Length; start = end)
        {
            end = Array.IndexOf(input, (byte)'\n', start) + 1;
            if (end == 0) end = input.Length;
            yield return input[start..end];
        }
    }

    private static byte[] Change(byte[] text, Dice dice)
    {
        var nodes = Nodes(text);
        if (nodes.Count == 0) return text;
        var node = dice.Pick(nodes);
        var (start, end) = (node.Start, node.End);
        var from = node.Name >= 0 ? node.Name : start;
        switch (dice.Below(11))
        {
            case 0: // without it, and without one of the commas
                var comma = end;
                while (comma < text.Length && char.IsWhiteSpace((char)text[comma])) comma++;
                return [.. text[..from], .. text[(comma < text.Length && text[comma] == ',' ? comma + 1 : end)..]];
            case 1: // twice, the second time perhaps with another value
                byte[] again = node.Name >= 0 && dice.OneIn(2) ? [.. text[from..start], .. dice.Pick(Values)] : text[from..end];
                return [.. text[..end], (byte)',', .. again, .. text[end..]];
            case 2: // another value of this file
                var other = dice.Pick(nodes);
                return Replaced(text[other.Start..other.End]);
            case 3: // a value of another file
                var foreign = dice.Other();
                var values = Nodes(foreign);
                return values.Count == 0 ? text : Replaced(dice.Pick(values) is var taken ? foreign[taken.Start..taken.End] : []);
            case 4 when node.Name >= 0: // another name
                return [.. text[..from], .. dice.OneIn(2) ? "\"\\ud800\":"u8.ToArray() : "\"x\":"u8.ToArray(), .. text[start..]];
            case 5:
                return Replaced([(byte)'[', .. text[start..end], (byte)']']);
            case 6:
                return Replaced([.. "{\"a\":"u8, .. text[start..end], (byte)'}']);
            case 7 when text[start] == '"' && end - start > 2: // a text with something odd in it
                return Replaced([(byte)'"', .. Bytes.Change(text[(start + 1)..(end - 1)], dice), (byte)'"']);
            default:
                return Replaced(dice.Pick(Values));
        }

        byte[] Replaced(byte[] value) => [.. text[..start], .. value, .. text[end..]];
    }

    /// <summary>Every value, containers included; those before the first fault where the text has one.</summary>
    private static List<Node> Nodes(byte[] text)
    {
        List<Node> nodes = [];
        Stack<(int Name, int Start)> open = [];
        var name = -1;
        var reader = new Utf8JsonReader(text, new JsonReaderOptions { CommentHandling = JsonCommentHandling.Skip,
            AllowTrailingCommas = true, MaxDepth = 10_000 });
        try
        {
            while (reader.Read())
            {
                var (start, end) = ((int)reader.TokenStartIndex, (int)reader.BytesConsumed);
                switch (reader.TokenType)
                {
                    case JsonTokenType.PropertyName:
                        name = start;
                        continue;
                    case JsonTokenType.StartArray or JsonTokenType.StartObject:
                        open.Push((name, start));
                        break;
                    case JsonTokenType.EndArray or JsonTokenType.EndObject:
                        var (itsName, itsStart) = open.Pop();
                        nodes.Add(new Node(itsName, itsStart, end));
                        break;
                    default:
                        nodes.Add(new Node(name, start, end));
                        break;
                }

                name = -1;
            }
        }
        catch (JsonException)
        {
            // What came before it can still be changed.
        }

        return nodes;
    }
}
