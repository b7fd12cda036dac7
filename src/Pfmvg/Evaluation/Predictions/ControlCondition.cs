namespace Pfmvg.Evaluation.Predictions;

/// <summary>Answers that a model which looks at the picture and reads the phrase must beat.</summary>
public enum ControlCondition
{
    /// <summary>The same model, asked about a blank picture: what it knows from the phrase alone.</summary>
    Blind,

    /// <summary>The same model, asked about another patient's picture.</summary>
    Shuffled,

    /// <summary>No model: the box that overlaps the training split's boxes of the same class and side most.</summary>
    Constant,
}

/// <summary>What is said about controls.</summary>
public static class ControlConditions
{
    /// <summary>What a control is, in words.</summary>
    public static string Describe(this ControlCondition control) => control switch
    {
        ControlCondition.Blind => "blind: the same model asked about blank pictures",
        ControlCondition.Shuffled => "shuffled: the same model asked about other patients' pictures",
        _ => "constant: the best single box of the training split for class and side, without a model",
    };
}
