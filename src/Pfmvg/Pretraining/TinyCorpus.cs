namespace Pfmvg.Pretraining;

/// <summary>
/// The words that the tiny tokenizer is made from: the prompt template and its wordings, box answers, the words of the generic
/// scenes, and plain English radiology words, so that a chest phrase is a few whole words instead of many fragments.
/// </summary>
/// <remarks>
/// The radiology words are in the vocabulary only. The pre-training has no chest picture and no chest phrase, so their rows of
/// the embedding keep their random directions.
/// </remarks>
internal static class TinyCorpus
{
    /// <summary>Texts that the prompts and the generic scenes consist of, and how often each counts.</summary>
    public static IEnumerable<(string Text, int Count)> Texts()
    {
        foreach (var prompt in Prompts) yield return (prompt, 400);
        foreach (var word in Words(SceneWords)) yield return (word, 60);
        foreach (var word in Words(RadiologyWords)) yield return (word, 30);
        foreach (var word in Words(GeneralWords)) yield return (word, 20);
        for (var letter = 'A'; letter <= 'Z'; letter++) yield return ($"{letter}", 20);
        yield return ("$$", 20);
        var random = new CounterRandom(0, "tokenizer boxes");
        for (var i = 0; i < 200; i++)
        {
            var box = string.Concat(Enumerable.Range(0, 4).Select(_ => $"<{random.Next(101)}>"));
            yield return ($"{{{box}}}", 20);
            if (i % 4 == 0) yield return ($"{{{box}}}<delim>{{{box}}}", 20);
        }
    }

    private static string[] Words(string text) =>
        text.Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static readonly string[] Prompts =
    [
        "[INST] <Img>", "</Img> [refer] give me the location of [/INST]", "</Img> [refer] where is ? [/INST]",
        "</Img> [refer] from this image, tell me the location of [/INST]", "</Img> [refer] the location of is [/INST]",
        "</Img> [refer] could you tell me the location for ? [/INST]", "</Img> [refer] where can I locate the ? [/INST]",
        "</Img> [caption] describe this image briefly [/INST]", "</Img> [caption] write a short caption for this image [/INST]",
        "</Img> [caption] what does this image show ? [/INST]", "</Img> [caption] sum up this image in a few words [/INST]",
        "</Img> [caption] give a brief account of what can be seen in this image [/INST]",
    ];

    private const string SceneWords = """
        disc ring block frame triangle diamond cross bar blob wedge crescent star cloud layer stripes arc grid dots line letter
        ellipse square circle shape patch spot band bands corner edge field pool veil streak streaks speckle texture ripple
        small large tiny huge wide narrow tall thin thick long short round flat tilted hollow solid
        bright dark faint strong pale dim gray white black light clear dense soft sharp blurred smooth
        striped dotted grainy plain speckled hatched shaded
        left right upper lower middle top bottom center side half outer inner high low
        leftmost rightmost topmost lowest largest smallest brightest darkest widest
        above below under over beside inside behind within next to near on at in of and with between on the in the at the of the
        a an the two three four five six one several only no other both another
        picture image scene shows there is are it lies lying seen
        """;

    private const string RadiologyWords = """
        lung lungs lobe chest heart cardiac silhouette mediastinum hilum hilar pleura pleural rib ribs clavicle diaphragm
        trachea apex apical base basal basilar zone zones costophrenic angle angles blunting retrocardiac perihilar vascular
        markings vessels interstitial alveolar airspace subpleural fissure spine
        pneumonia pneumothorax pneumothoraces consolidation consolidations atelectasis atelectatic edema effusion effusions
        cardiomegaly opacity opacities opacification lesion nodule mass congestion infiltrate enlarged enlargement
        collapse volume loss fluid air haze hazy patchy streaky linear focal diffuse confluent rounded layering meniscus
        moderate mild severe minimal subtle trace marked extensive increased decreased unchanged new stable persistent resolved
        bilateral unilateral right-sided left-sided midlung bibasilar
        frontal lateral view radiograph study portable supine upright patient
        normal abnormal finding findings evidence without acute process disease consistent suggesting likely possible representing
        """;

    private const string GeneralWords = """
        this that these those which what where who how was were be been has have had not or from for by as but if than then
        also more most less least very much many some any all each its their can could may might will would should
        show me mark point out part tell box around place find name say give briefly state main sum up account
        size position compared previous prior again still now after before during since
        """;
}
