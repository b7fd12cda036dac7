using Pfmvg.Geometry;
using Pfmvg.Pretraining.Scenes;

namespace Pfmvg.Tests.Pretraining;

public class SceneTests
{
    private const int Side = 56;

    [Fact]
    public void A_scene_is_a_function_of_seed_purpose_and_number()
    {
        var scene = Scene(3, "training", 5);
        Assert.Equal(scene.Pixels, Scene(3, "training", 5).Pixels);
        Assert.NotEqual(scene.Pixels, Scene(4, "training", 5).Pixels);
        Assert.NotEqual(scene.Pixels, Scene(3, "held out", 5).Pixels);
        Assert.NotEqual(scene.Pixels, Scene(3, "training", 6).Pixels);
    }

    [Fact]
    public void Every_box_is_the_extent_of_its_objects_pixels_within_the_picture()
    {
        for (var i = 0; i < 50; i++)
        {
            var scene = Scene(1, "training", i);
            foreach (var (index, item) in scene.Objects.Index())
            {
                Assert.True(item.Box is { Left: >= 0, Top: >= 0, Right: <= Side, Bottom: <= Side, IsEmpty: false });
                // A later object may hide some of it, never add to it.
                for (var at = 0; at < scene.Owners.Length; at++)
                    if (scene.Owners[at] == index)
                        Assert.Equal(1, item.Box.Intersect(new Box(at % Side, at / Side, at % Side + 1, at / Side + 1)).Area);
            }
        }
    }

    [Fact]
    public void A_phrase_with_a_bare_name_means_the_only_object_of_that_name()
    {
        var seen = 0;
        for (var i = 0; i < 300; i++)
        {
            var scene = Scene(1, "training", i);
            foreach (var phrase in ScenePhrases.Refer(scene, 4, new CounterRandom(1, "test", i)))
            {
                var named = scene.Objects.Where(item => ScenePhrases.Noun(item) == phrase.Text).ToList();
                if (named.Count == 0) continue;
                Assert.Equal(Assert.Single(named).Box, Assert.Single(phrase.Boxes));
                seen++;
            }
        }

        Assert.True(seen > 20, $"only {seen} bare names");
    }

    [Fact]
    public void Left_and_right_and_upper_and_lower_are_the_pictures()
    {
        for (var i = 0; i < 300; i++)
        {
            var scene = Scene(1, "training", i);
            foreach (var phrase in ScenePhrases.Refer(scene, 4, new CounterRandom(1, "test", i)))
            {
                if (phrase.Boxes is not [var box] || phrase.Text.Contains(" of the ", StringComparison.Ordinal)) continue;
                var words = phrase.Text.Split(' ');
                if (words.Contains("left")) Assert.True(box.Left + box.Right < Side);
                if (words.Contains("right")) Assert.True(box.Left + box.Right > Side);
                if (words.Contains("upper")) Assert.True(box.Top + box.Bottom < Side);
                if (words.Contains("lower")) Assert.True(box.Top + box.Bottom > Side);
            }
        }
    }

    private static Scene Scene(long seed, string purpose, long index) => SceneSampler.Sample(seed, purpose, index, Side, 6);
}
