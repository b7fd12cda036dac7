using static TorchSharp.torch;

namespace Pfmvg.Models.Kernels;

/// <summary>
/// Gradients that the backward pass of a function of our own returns. Native code reads them after it has returned, when nothing managed
/// would hold them. So they are held until the next ones and then freed; a scope would keep all of them until the end of the pass.
/// </summary>
internal static class HandedOver
{
    [ThreadStatic] private static Tensor?[]? _last;

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
