using System.Text.Json.Nodes;

namespace Pfmvg.Tests.Browser;

/// <summary>Files that a user gives to a page, and files that a page gives to its user.</summary>
internal static class PageFiles
{
    /// <summary>Chooses a file in the dialogue of a file field.</summary>
    public static async Task ChooseFile(this BrowserPage page, string selector, string path)
    {
        var found = await page.Send("Runtime.evaluate", new JsonObject { ["expression"] = $"document.querySelector('{selector}')" });
        await page.Send("DOM.setFileInputFiles", new JsonObject
        {
            ["objectId"] = found["result"]!["objectId"]!.ToString(),
            ["files"] = new JsonArray(path),
        });
    }

    /// <summary>Drags files from the desktop into the middle of the window and lets them fall.</summary>
    public static async Task Drop(this BrowserPage page, params string[] paths)
    {
        foreach (var type in (string[])["dragEnter", "dragOver", "drop"])
            await page.Send("Input.dispatchDragEvent", new JsonObject
            {
                ["type"] = type,
                ["x"] = 400,
                ["y"] = 400,
                ["data"] = new JsonObject
                {
                    ["items"] = new JsonArray(),
                    ["files"] = new JsonArray([.. paths.Select(path => JsonValue.Create(path))]),
                    ["dragOperationsMask"] = 1,
                },
            });
    }

    /// <summary>Pastes a picture, as after the copying of one elsewhere.</summary>
    public static Task Paste(this BrowserPage page, byte[] png) => page.Evaluate($$"""
        (() => {
          const bytes = Uint8Array.from(atob("{{Convert.ToBase64String(png)}}"), letter => letter.charCodeAt(0));
          const data = new DataTransfer();
          data.items.add(new File([bytes], "image.png", { type: "image/png" }));
          document.activeElement.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
        })()
        """);

    /// <summary>The name and content of the file that a click makes the page save.</summary>
    public static async Task<(string Name, byte[] Content)> Save(this BrowserPage page, string selector)
    {
        var folder = Directory.CreateTempSubdirectory("pfmvg-saved-").FullName;
        try
        {
            await page.Send("Page.setDownloadBehavior", new JsonObject { ["behavior"] = "allow", ["downloadPath"] = folder });
            await page.Click(selector);
            var end = DateTime.UtcNow.AddMinutes(1);
            string[] files;
            while ((files = Directory.GetFiles(folder)) is not [var one] || one.EndsWith(".crdownload", StringComparison.Ordinal))
            {
                Assert.True(DateTime.UtcNow < end, $"{selector} saved nothing");
                await Task.Delay(20);
            }

            return (Path.GetFileName(files[0]), await File.ReadAllBytesAsync(files[0]));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
