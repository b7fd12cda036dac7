namespace Pfmvg.Evaluation.Scoring;

/// <summary>One printed number of an evaluation, as a line of a tidy table.</summary>
/// <param name="Row">What it is about: a class, "mean", "weighted", or a subgroup as <c>side=left</c>.</param>
/// <param name="Metric">The field's name of the number, as <c>iou</c> or <c>map@[.5:.95]</c>.</param>
/// <param name="Value">The number; null where there is nothing to measure.</param>
/// <param name="Low">Lower end of the interval, where one was worked out.</param>
/// <param name="High">Upper end of the interval.</param>
/// <param name="N">How many units (boxes, phrases or results) the number is made of.</param>
internal sealed record Figure(string Row, string Metric, double? Value, double? Low, double? High, int N);
