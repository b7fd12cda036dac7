using Pfmvg.Answering;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Loading;
using Pfmvg.Imaging;
using Pfmvg.Training;

namespace Pfmvg.Runs;

/// <summary>A model with the ways to teach and to ask it: what a training and an evaluation need of one.</summary>
internal interface IModelSetup : IDisposable
{
    /// <summary>What the user should read about the model before it works.</summary>
    IEnumerable<string> Lines { get; }

    /// <summary>Of these what is no list of files.</summary>
    IReadOnlyList<string> Notes { get; }

    /// <summary>What the user should read at the end; null for nothing.</summary>
    string? Summary { get; }

    /// <summary>Parameters of the whole model.</summary>
    long Parameters { get; }

    /// <summary>What its checkpoints say of it.</summary>
    IReadOnlyDictionary<string, string> Marks { get; }

    /// <summary>Side of its pictures in pixels.</summary>
    int ImageSize { get; }

    /// <summary>Judges pictures that end early, and says so.</summary>
    TruncationGuard? Truncation { set; }

    /// <summary>The model with samples that it learns from or is measured on.</summary>
    ILearner Learner(IReadOnlyList<Sample> samples, StageSettings settings);

    /// <summary>Asks the model, as the configuration decodes.</summary>
    IAnswers Answers();

    /// <summary>Loads whole pictures, as evaluation looks at them.</summary>
    SampleLoader Pictures();
}
