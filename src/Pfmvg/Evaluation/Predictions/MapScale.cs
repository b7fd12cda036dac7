namespace Pfmvg.Evaluation.Predictions;

/// <summary>What the thresholds of heat maps are compared with.</summary>
internal enum MapScale
{
    /// <summary>The values as they are: cosines, as in BioViL's article.</summary>
    Raw,

    /// <summary>Each map's finite values, scaled to -1..1 by its least and its most. A map of one value is -1 everywhere.</summary>
    Minmax,
}
