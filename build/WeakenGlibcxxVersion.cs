using System;
using System.IO;
using System.Linq;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Build.Framework;
using Microsoft.Build.Utilities;

/// <summary>
/// Copies a 64-bit little-endian ELF library and marks its need for GLIBCXX_3.4.32 weak (VER_FLG_WEAK in vna_flags),
/// so that a libstdc++ without that version still loads it. Only the file with the given SHA-256 is copied; any other
/// is left alone.
/// </summary>
public class WeakenGlibcxxVersion : Task
{
    private const string Version = "GLIBCXX_3.4.32";
    private const uint GnuVersionNeeds = 0x6ffffffe; // SHT_GNU_verneed
    private const ushort Weak = 0x2;                 // VER_FLG_WEAK

    [Required] public string Source { get; set; }
    [Required] public string Sha256 { get; set; }
    [Required] public string Destination { get; set; }
    [Output] public bool Patched { get; set; }

    public override bool Execute()
    {
        if (File.Exists(Destination) && File.GetLastWriteTimeUtc(Destination) > File.GetLastWriteTimeUtc(Source))
        {
            Patched = true;
            return true;
        }

        var elf = File.ReadAllBytes(Source);
        string hash;
        using (var sha = SHA256.Create()) hash = string.Concat(sha.ComputeHash(elf).Select(b => b.ToString("x2")));
        if (hash != Sha256)
        {
            Log.LogMessage(MessageImportance.High,
                "{0} has SHA-256 {1}, not the known {2}: it is used as it is. If it does not load (GLIBCXX_3.4.32 not found), " +
                "use a system with GCC 13's libstdc++ or newer, or TorchSharp 0.107.0.", Source, hash, Sha256);
            return true;
        }

        if (!MarkWeak(elf))
        {
            Log.LogError("{0}: no need for {1} found, though the file is the known one.", Source, Version);
            return false;
        }

        Directory.CreateDirectory(Path.GetDirectoryName(Destination));
        var temporary = Destination + "." + Guid.NewGuid().ToString("N");
        File.WriteAllBytes(temporary, elf);
        if (File.Exists(Destination)) File.Delete(Destination);
        File.Move(temporary, Destination);
        Patched = true;
        return true;
    }

    private static bool MarkWeak(byte[] elf)
    {
        var sections = (long)BitConverter.ToUInt64(elf, 0x28);
        int size = BitConverter.ToUInt16(elf, 0x3a), count = BitConverter.ToUInt16(elf, 0x3c);
        for (var i = 0; i < count; i++)
        {
            var section = sections + i * size;
            if (BitConverter.ToUInt32(elf, (int)section + 4) != GnuVersionNeeds) continue;
            var strings = sections + BitConverter.ToUInt32(elf, (int)section + 0x28) * size; // sh_link: its string table
            var names = (long)BitConverter.ToUInt64(elf, (int)strings + 0x18);
            for (var need = (long)BitConverter.ToUInt64(elf, (int)section + 0x18); ;)
            {
                var next = BitConverter.ToUInt32(elf, (int)need + 12);                         // vn_next
                for (var entry = need + BitConverter.ToUInt32(elf, (int)need + 8); ;)          // vn_aux
                {
                    var name = (int)(names + BitConverter.ToUInt32(elf, (int)entry + 8));      // vna_name
                    if (Encoding.ASCII.GetString(elf, name, Version.Length + 1) == Version + "\0")
                    {
                        elf[entry + 4] |= (byte)Weak;                                          // vna_flags
                        return true;
                    }

                    var following = BitConverter.ToUInt32(elf, (int)entry + 12);               // vna_next
                    if (following == 0) break;
                    entry += following;
                }

                if (next == 0) break;
                need += next;
            }
        }

        return false;
    }
}
