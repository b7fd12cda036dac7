using System.Text;
using Pfmvg.Text;

namespace Pfmvg.Phantoms.Planning;

/// <summary>Captions in the style of figures and reports in the style of MIMIC-CXR, about a picture's findings.</summary>
internal static class ReportWriter
{
    private const int LineLength = 76;

    // Normalisation cuts after this many words, so a longer text would teach less than it says.
    private const int MostWords = 50;

    /// <summary>One or two sentences, as under a figure.</summary>
    public static string Caption(PhantomPicture picture)
    {
        var random = picture.Random("caption");
        var opening = random.Pick("Chest radiograph", "Chest X-ray", "Frontal chest radiograph", "Plain chest radiograph",
            picture.View == PhantomView.AnteroPosterior ? "Portable chest X-ray" : "Posteroanterior chest X-ray");
        if (picture.Findings.Count == 0)
            return random.Pick($"Normal {Lower(opening)}.", $"{opening} without abnormality.", $"{opening} showing clear lungs.");
        var phrases = picture.Findings.Select(finding => PhraseWriter.WithArticle(finding, Phrase(picture, finding, random))).ToList();
        var (verb, end) = (random.Pick("showing", "showing", "demonstrating", "revealing", "with"), random.Pick(".", ".", " (arrows)."));
        while (Words(Sentence()) > MostWords) phrases.RemoveAt(phrases.Count - 1);
        var extended = $"{Sentence()} {Absent(picture, random)}";
        return random.Chance(0.3) && Words(extended) <= MostWords ? extended : Sentence();

        string Sentence() => $"{opening} {verb} {Join(phrases)}{end}";

        static string Lower(string text) => char.ToLowerInvariant(text[0]) + text[1..];
    }

    /// <summary>
    /// A report with its header lines. Most have FINDINGS and IMPRESSION; some have only one of them, none, or an addendum. Lines are
    /// wrapped and begin with a space; `___` stands for a name or a date that was removed.
    /// </summary>
    public static string Report(PhantomPicture picture)
    {
        var random = picture.Random("report");
        var portable = picture.View == PhantomView.AnteroPosterior;
        var report = new StringBuilder("                                 FINAL REPORT\n");
        var words = MostWords;
        var kind = random.Weighted([0.58, 0.10, 0.12, 0.12, 0.08]);
        var patient = random.Pick("man", "woman");
        var why = random.Pick("shortness of breath", "cough and fever", "chest pain", "line placement", "fall from ladder");
        if (kind == 3)
        {
            // The old style, without sections for findings and impression.
            var title = random.Pick("CHEST RADIOGRAPH", portable ? "AP CHEST, 5:04 A.M., ON ___" : "PA AND LATERAL CHEST, ___") + ".";
            const string Discussed = "Findings were discussed with Dr. ___ by telephone at 10:20 on ___.";
            words -= Words(title) + Words(Discussed);
            Paragraph(title);
            Paragraph($"HISTORY:  ___-year-old {patient} with {why}.");
            Paragraph(Findings());
            Paragraph(Discussed);
            return report.ToString();
        }

        Paragraph($"EXAMINATION:  {(portable ? "CHEST (PORTABLE AP)" : "CHEST (PA AND LAT)")}");
        var question = random.Pick("acute process?", "interval change", "please evaluate");
        Paragraph($"INDICATION:  ___ year old {patient} with {why}  // {question}");
        Paragraph($"TECHNIQUE:  {(portable ? "Portable AP view of the chest" : "PA and lateral views of the chest")}.");
        Paragraph($"COMPARISON:  {random.Pick("None.", "Chest radiograph ___.", "___ at 04:30.")}");
        if (kind != 2) Section("FINDINGS", Findings());
        if (kind != 1 && Impression() is { Length: > 0 } impression) Section("IMPRESSION", impression);
        if (kind == 4)
        {
            report.Append("                                 FINAL ADDENDUM\n");
            Section("ADDENDUM", "The time of the study was ___. There is no change to the report.");
        }

        return report.ToString();

        void Section(string name, string text)
        {
            if (random.Chance(0.5)) Paragraph($"{name}:  {text}");
            else
            {
                Paragraph($"{name}: ");
                Paragraph(text);
            }
        }

        void Paragraph(string text)
        {
            var line = new StringBuilder();
            foreach (var word in text.Split(' '))
            {
                if (line.Length > 0 && line.Length + word.Length > LineLength) Flush();
                line.Append(' ').Append(word);
            }

            Flush();
            report.Append(" \n");

            void Flush()
            {
                report.Append(line).Append('\n');
                line.Clear();
            }
        }

        string Findings()
        {
            var sentences = new List<string>();
            foreach (var finding in picture.Findings)
            {
                var counted = PhraseWriter.WithArticle(finding, Phrase(picture, finding, random));
                var verb = PhraseWriter.IsPlural(finding) ? "are" : "is";
                sentences.Add(random.Next(3) switch
                {
                    0 => $"There {verb} {counted}.",
                    1 => $"{PhraseWriter.Capitalize(counted)} {verb} {random.Pick("present", "seen", "noted")}.",
                    _ => $"{random.Pick("Again seen", "Also seen", "Noted")} {verb} {counted}.",
                });
            }

            if (picture.Findings.Count == 0) sentences.Add("The lungs are clear.");
            if (picture.Findings.All(finding => finding.Class != FindingClass.Cardiomegaly)) sentences.Add("The heart size is normal.");
            sentences.Add(Absent(picture, random));
            return string.Join(' ', Fitting(sentences));
        }

        string Impression()
        {
            if (picture.Findings.Count == 0) return string.Join(' ', Fitting(["No acute cardiopulmonary process."]));
            var numbered = picture.Findings.Count > 1 && random.Chance(0.5);
            return string.Join(' ', Fitting(picture.Findings.Select((finding, index) =>
            {
                var phrase = PhraseWriter.Capitalize(Phrase(picture, finding, random));
                return numbered ? $"{index + 1}. {phrase}." : $"{phrase}.";
            })));
        }

        // The sentences that still fit into the report.
        List<string> Fitting(IEnumerable<string> sentences)
        {
            var fitting = new List<string>();
            foreach (var sentence in sentences)
            {
                if (Words(sentence) > words) break;
                words -= Words(sentence);
                fitting.Add(sentence);
            }

            return fitting;
        }
    }

    private static string Phrase(PhantomPicture picture, Finding finding, CounterRandom random) =>
        PhraseWriter.Phrase(finding, picture.Findings, random, clause: false);

    private static int Words(string text) => CaptionNormalizer.Normalize(text, int.MaxValue).Text.Split(' ').Length;

    private static string Absent(PhantomPicture picture, CounterRandom random)
    {
        var absent = Enum.GetValues<FindingClass>()
            .Except(picture.Findings.Select(finding => finding.Class)).Except([FindingClass.Cardiomegaly]).ToList();
        if (absent.Count == 0) return "The bones are intact.";
        var first = absent[random.Next(absent.Count)];
        var second = absent[random.Next(absent.Count)];
        return first == second
            ? $"There is no {PhraseWriter.PlainName(first)}."
            : $"No {PhraseWriter.PlainName(first)} or {PhraseWriter.PlainName(second)}.";
    }

    private static string Join(List<string> phrases) => phrases.Count switch
    {
        1 => phrases[0],
        _ => string.Join(", ", phrases[..^1]) + " and " + phrases[^1],
    };
}
