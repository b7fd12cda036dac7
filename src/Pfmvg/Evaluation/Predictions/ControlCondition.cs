namespace Pfmvg.Evaluation.Predictions;

/// <summary>A control: answers that the model must beat if it looks at the picture and reads the phrase.</summary>
public enum ControlCondition
{
    /// <summary>The same model asked about a blank picture: what it knows from the phrase alone.</summary>
    Blind,

    /// <summary>The same model asked about another patient's picture.</summary>
    Shuffled,

    /// <summary>
    /// No model: the box with the largest overlap with the training split's boxes of the same class and side; beside heat maps the region.
    /// </summary>
    Constant,
}

/// <summary>Controls in words.</summary>
public static class ControlConditions
{
    /// <summary>A control's name and what it is.</summary>
    /// <param name="control">The control.</param>
    /// <param name="maps">The model that it stands beside answers with heat maps.</param>
    public static string Describe(this ControlCondition control, bool maps = false) => control switch
    {
        ControlCondition.Blind => "blind: the same model asked about blank pictures",
        ControlCondition.Shuffled => "shuffled: the same model asked about other patients' pictures",
        _ when maps => "constant: the best single map of the training split for class and side (1 in a region, else 0), without a model",
        _ => "constant: the best single box of the training split for class and side, without a model",
    };
}
