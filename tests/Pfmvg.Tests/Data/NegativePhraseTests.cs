using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Geometry;

namespace Pfmvg.Tests.Data;

/// <summary>Phrases that name nothing in their picture, and what an epoch is mixed of.</summary>
public sealed class NegativePhraseTests
{
    private static readonly string[] Opacities = ["Consolidation", "Lung Opacity", "Pneumonia", "Edema", "Atelectasis"];
    private static readonly string[] Classes = [.. Opacities, "Pneumothorax", "Cardiomegaly", "Pleural Effusion"];

    private static Sample Phrase(string patient, string image, string? name, string text, string source = "ms-cxr") => new()
    {
        Id = $"{source}/{image}/{text}", Task = SampleTask.Refer, Image = image, Width = 100, Height = 100, Text = text, Class = name,
        Patient = patient, Source = source, Boxes = [new Box(10, 10, 50, 50)],
    };

    /// <summary>Forty patients of two pictures with two classes each, and a phrase of its own for each.</summary>
    private static List<Sample> Drawn()
    {
        var random = new CounterRandom(3, "patients");
        return [.. Enumerable.Range(0, 80).SelectMany(picture => Enumerable.Range(0, 2).Select(finding =>
        {
            var name = Classes[random.Next(Classes.Length)];
            return Phrase($"p{picture / 2}", $"i{picture}.png", name, $"{name} number {picture}.{finding}");
        }))];
    }

    private static StageSettings Stage(double negatives, params (string Name, string Times)[] repeat) => new()
    {
        Task = SampleTask.Refer, Negatives = negatives, Repeat = repeat.ToDictionary(pair => pair.Name, pair => pair.Times),
    };

    [Fact]
    public void What_is_asked_is_of_a_class_that_the_patient_has_in_no_picture_and_of_no_opacity_beside_another()
    {
        var samples = Drawn();
        var (negatives, owner) = (new NegativePhrases(samples, 7), samples.ToLookup(sample => sample.Patient));
        Assert.Equal(80, negatives.Pictures);
        HashSet<NegativeKind> kinds = [];
        for (var number = 0; number < 2000; number++)
        {
            var (negative, kind) = negatives.Draw(number, number % 5);
            kinds.Add(kind);
            var own = owner[negative.Patient].Select(sample => sample.Class!).ToHashSet();
            Assert.Empty(negative.Boxes);
            Assert.DoesNotContain(negative.Class!, own);
            Assert.False(Opacities.Contains(negative.Class) && own.Overlaps(Opacities), $"{negative.Class} in {negative.Image}");
            Assert.Contains(samples, sample => sample.Image == negative.Image && sample.Patient == negative.Patient);
            if (kind == NegativeKind.AbsentClass) Assert.Equal(negative.Class, negative.Text);
            else Assert.Contains(samples, sample => sample.Text == negative.Text && sample.Patient != negative.Patient);
        }

        Assert.Equal([NegativeKind.OtherPhrase, NegativeKind.AbsentClass], kinds.Order());
    }

    [Fact]
    public void A_draw_depends_on_seed_epoch_and_sample_alone_and_pictures_stay_while_words_change()
    {
        var (one, same, other) = (new NegativePhrases(Drawn(), 7), new NegativePhrases(Drawn(), 7), new NegativePhrases(Drawn(), 8));
        string[] Texts(NegativePhrases from, int epoch) =>
            [.. Enumerable.Range(0, 200).Reverse().Select(n => from.Draw(n, epoch).Sample.Text)];
        Assert.Equal(Texts(one, 3), Texts(same, 3));
        Assert.NotEqual(Texts(one, 3), Texts(one, 4));
        Assert.NotEqual(Texts(one, 3), Texts(other, 3));
        (string, string) Picture(int n, int epoch) => (one.Draw(n, epoch).Sample.Image, one.Draw(n, epoch).Sample.Id);
        for (var n = 0; n < 200; n++) Assert.Equal(Picture(n, 0), Picture(n, 9));
        Assert.Equal(200, Enumerable.Range(0, 200).Select(n => one.Draw(n, 0).Sample.Id).Distinct().Count());
        Assert.Equal(80, Enumerable.Range(0, 80).Select(n => one.Draw(n, 0).Sample.Image).Distinct().Count());
    }

    [Fact]
    public void Normal_sentences_are_asked_of_their_own_picture_and_what_is_not_located_never()
    {
        Sample[] samples =
        [
            Phrase("1", "a.png", "scoliosis", "Scoliosis.", "padchest-gr"),
            Phrase("1", "a.png", "normal", "The heart is normal.", "padchest-gr") with { Boxes = [], Normal = true },
            Phrase("2", "b.png", "scoliosis", "Hyperinflation.", "padchest-gr") with { Boxes = [] },
            Phrase("2", "b.png", "scoliosis", "Mild scoliosis.", "padchest-gr"),
        ];
        var drawn = new NegativePhrases(samples, 1).Draw(50);
        var (sample, kind) = Assert.Single(drawn);
        Assert.Equal(("a.png", "The heart is normal.", NegativeKind.NormalSentence), (sample.Image, sample.Text, kind));
        Assert.True(NegativePhrases.IsNegative(samples[2] with { Source = "own" })); // one's own list says that nothing is there
    }

    [Fact]
    public void Regions_that_every_picture_has_are_never_asked_and_data_sets_lend_nothing_to_each_other()
    {
        Assert.Equal(0, new NegativePhrases([Phrase("1", "a.png", "left lung", "left lung", "chest-imagenome"),
            Phrase("2", "b.png", "trachea", "trachea", "chest-imagenome")], 1).Pictures);
        Assert.Equal(0, new NegativePhrases([Phrase("1", "a.png", "Edema", "edema"), Phrase("2", "b.png", "edema", "x", "vindr-cxr"),
            Phrase("3", "c.png", "Cardiomegaly", "y", "vindr-cxr") with { Class = null }], 1).Pictures);
    }

    [Theory, InlineData(0.2, 1000, 250), InlineData(0.5, 7, 7), InlineData(0.9, 10, 90), InlineData(0, 10, 0)]
    public void The_share_is_that_of_all_samples(double share, int others, int expected) =>
        Assert.Equal(expected, NegativePhrases.Count(share, others));

    [Fact]
    public void A_mixture_holds_the_split_first_and_repeats_and_negatives_behind_it()
    {
        List<Sample> split = [.. Drawn(), Phrase("v", "v.png", "Nodule", "Nodule", "vindr-cxr")];
        Assert.Equal(split, new TaughtMixture("data", split, Stage(0), 7).Samples);
        Assert.Null(new TaughtMixture("data", split, Stage(0), 7).Said);
        Assert.Equal(split, new TaughtMixture("data", split, Stage(0, ("vindr_cxr", "1")), 7).Samples);
        var mixed = new TaughtMixture("data", split, Stage(0.2, ("vindr-cxr", "40"), ("ms_cxr", "1")), 7);
        Assert.Equal(split, mixed.Samples.Take(split.Count));
        Assert.Equal((40, 160, 250), (mixed.Samples.Count(sample => sample.Source == "vindr-cxr" && sample.Boxes.Count > 0),
            mixed.Samples.Count(sample => sample.Source == "ms-cxr" && sample.Boxes.Count > 0), mixed.Samples.Count));
        Assert.Equal("mixture  250 samples an epoch: 160 of ms-cxr, 40 of vindr-cxr; 50 phrases that name nothing in their picture, on 50 "
            + "pictures", mixed.Said);
        Assert.All(Enumerable.Range(0, 200), i => Assert.Same(mixed.Samples[i], mixed.At(i, 4)));
        Assert.Contains(Enumerable.Range(200, 50), i => mixed.At(i, 4).Text != mixed.At(i, 5).Text);
        Assert.Equal(Enumerable.Range(200, 50).Select(i => mixed.At(i, 0)), mixed.Samples.Skip(200));
        Assert.Equal(160, new TaughtMixture("data", split, Stage(0, ("vindr-cxr", "0")), 7).Samples.Count);
    }

    [Theory]
    [InlineData("mscxr", "2", "repeat names the data set 'mscxr', of which there are no training samples; there are ms-cxr.")]
    [InlineData("ms-cxr", "0", "repeat takes every data set 0 times")]
    public void A_mixture_of_nothing_is_refused(string name, string times, string said)
    {
        var refused = Assert.Throws<InputException>(() => new TaughtMixture("data", Drawn(), Stage(0, (name, times)), 7));
        Assert.Contains(said, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Negatives_that_cannot_be_made_are_refused_and_phrases_without_a_box_need_them()
    {
        Sample[] alike = [Phrase("1", "a.png", "Edema", "edema"), Phrase("2", "b.png", "Edema", "mild edema")];
        Assert.Contains("no phrase can be made that names nothing in its picture (stage2.negatives)",
            Assert.Throws<InputException>(() => new TaughtMixture("data", alike, Stage(0.3), 7)).Message, StringComparison.Ordinal);
        Sample[] boxless = [.. Drawn(), Phrase("q", "q.png", "Edema", "no edema") with { Boxes = [] }];
        Assert.Contains("or teach that phrases name nothing with stage2.negatives",
            Assert.Throws<InputException>(() => new TaughtMixture("data", boxless, Stage(0), 7)).Message, StringComparison.Ordinal);
        var taught = new TaughtMixture("data", boxless, Stage(0.5), 7);
        Assert.Equal((160, 320), (taught.Samples.Count(sample => sample.Boxes.Count > 0), taught.Samples.Count));
        Assert.EndsWith("; 1 phrases without a box that may name something are left out", taught.Said, StringComparison.Ordinal);
        Assert.Equal(160, TaughtMixture.ToValidate(boxless, Stage(0.5)).Count);
        Assert.Same(boxless, TaughtMixture.ToValidate(boxless, Stage(0)));
    }

    [Theory]
    [InlineData("stage2.negatives=0.95", "stage2.negatives (--set stage2.negatives=0.95) must be a number of at least 0 and at most 0.9")]
    [InlineData("stage1.negatives=0.5", "is about phrases, and the stage teaches captions; set it to 0")]
    [InlineData("stage2.repeat={ms_cxr: two}", "stage2.repeat (--set stage2.repeat={ms_cxr: two}) takes ms_cxr \"two\" times")]
    [InlineData("stage2.repeat={ms_cxr: -1}", "takes ms_cxr \"-1\" times; give a whole number from 0 to 1000")]
    public void Settings_that_make_no_mixture_are_one_sentence(string setting, string said) => Assert.Contains(said,
        Assert.Throws<InputException>(() => ConfigurationFile.Load(null, [setting])).Message, StringComparison.Ordinal);

    [Fact]
    public void Boxes_only_and_phrases_that_name_nothing_contradict_each_other() => Assert.Contains(
        "eval.negatives (--set eval.negatives=0.5) is 0.5, but eval.constrain: boxes allows no answer without a box",
        Assert.Throws<InputException>(() => ConfigurationFile.Load(null, ["eval.negatives=0.5", "eval.constrain=boxes"])).Message,
        StringComparison.Ordinal);
}
