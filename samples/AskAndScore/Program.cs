using Pfmvg.Configuration;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Runs;

// Ask: the model of a configuration, one picture, one phrase.
var configuration = ConfigurationFile.Load(args[0], overrides: ["eval.constrain=boxes"]);
using (var grounder = PhraseGrounder.Open(configuration, fromBase: true)) // or from: "runs/tiny/stage2"
{
    var answer = grounder.Ask(image: args[1], phrase: args[2]);
    foreach (var box in answer.Boxes) // in pixels of the original picture
        Console.WriteLine($"box {box.Left:0.0} {box.Top:0.0} {box.Right:0.0} {box.Bottom:0.0}");
}

// Score: the answers of any program. This half needs no libtorch.
var predictions = PredictionFile.Read(args[3]);
var scores = Scorer.Score(predictions, new ScoringOptions { Protocol = Protocol.PhraseUnion });
foreach (var row in scores.Rows)
    Console.WriteLine($"{row.Name}: n {row.Count}, IoU {row[Metric.Iou].Value:0.000}, Dice {row[Metric.Dice].Value:0.000}");
