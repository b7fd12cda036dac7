using System.Text.RegularExpressions;

namespace Pfmvg;

/// <summary>Paths in options and settings, which no shell has read: `~` is the home folder, `$NAME` and `${NAME}` are variables.</summary>
internal static partial class PathText
{
    /// <summary>The path that is meant. `$$` is a dollar sign, and `./~` begins with a tilde.</summary>
    /// <exception cref="InputException">A variable is not set, or another user's home folder is meant.</exception>
    public static string Expand(string path)
    {
        var expanded = Variable().Replace(path, match => match.Value == "$$" ? "$" : Value(match.Value.Trim('$', '{', '}')));
        if (!path.StartsWith('~')) return expanded;
        if (expanded.Length > 1 && expanded[1] != '/')
            throw new InputException($"{path}: only ~/ is read as a home folder; write another user's out, or ./~... for such a name.");
        return Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) is { Length: > 0 } home ? home + expanded[1..]
            : throw new InputException($"{path}: there is no home folder here (HOME is not set); write the path out.");

        string Value(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value
            : throw new InputException($"{path}: the variable {name} is not set; set it, or write the path out ($$ is a dollar sign).");
    }

    /// <summary>A path as <see cref="Expand"/> reads it back.</summary>
    public static string Escape(string path) =>
        (path.StartsWith('~') ? "./" : "") + path.Replace("$", "$$", StringComparison.Ordinal);

    [GeneratedRegex(@"\$\$|\$[A-Za-z_][A-Za-z0-9_]*|\$\{[A-Za-z_][A-Za-z0-9_]*\}")] private static partial Regex Variable();
}
