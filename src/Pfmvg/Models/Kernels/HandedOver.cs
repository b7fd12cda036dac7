using static TorchSharp.torch;

namespace Pfmvg.Models.Kernels;

/// <summary>
/// Gradients that the backward pass of a function of our own returns. Native code reads them after it has returned, when nothing managed
/// would hold them. So they are held until the next ones and then freed; a scope would keep all of them until the end of the pass.
/// </summary>
internal static class HandedOver
{
    [ThreadStatic] private static Tensor?[]? _last;

    /// <summary>
    /// What the forward pass kept, which from now on nothing but the caller's scope holds: the library would hold it until the whole graph
    /// is gone. Frees the last gradients, too.
    /// </summary>
    public static List<Tensor> Saved(autograd.AutogradContext context)
    {
        Release();
        var saved = context.get_saved_variables();
        context.Dispose();
        return saved;
    }

    /// <summary>Takes the gradients out of their scope, for one argument each; null where there is none.</summary>
    public static List<Tensor> Keep(params Tensor?[] gradients)
    {
        Release();
        foreach (var gradient in gradients) gradient?.DetachFromDisposeScope();
        _last = gradients;
        return [.. gradients.Select(gradient => gradient!)];
    }

    /// <summary>Frees the last ones.</summary>
    public static void Release()
    {
        foreach (var gradient in _last ?? []) gradient?.Dispose();
        _last = null;
    }
}
