namespace Pfmvg.Data.Exporting;

/// <summary>The command that trains on an export, with MODEL where the user's choice stands.</summary>
internal static class ExportCommand
{
    public static string For(string format, string folder, IReadOnlyList<(string File, int Samples)> files)
    {
        var train = files.FirstOrDefault(file => file.File.Contains("train", StringComparison.Ordinal)).File ?? files[0].File;
        var validate = files.FirstOrDefault(file => file.File.Contains("validation", StringComparison.Ordinal)).File;
        var quoted = "'" + folder.Replace("'", "'\\''", StringComparison.Ordinal) + "'";
        return format switch
        {
            "ms-swift" => $"cd {quoted} && swift sft --model MODEL --dataset {train}"
                + (validate is null ? "" : $" --val_dataset {validate}"),
            "llamafactory" => $"llamafactory-cli train --stage sft --do_train --model_name_or_path MODEL --template TEMPLATE "
                + $"--dataset_dir {quoted} --media_dir {quoted} --dataset pfmvg_{Path.GetFileNameWithoutExtension(train)} --output_dir OUT",
            "llava" or "llava-padded" => $"python llava/train/train_mem.py --model_name_or_path MODEL --data_path {quoted}/{train} "
                + $"--image_folder {quoted} --image_aspect_ratio {(format == "llava" ? "square" : "pad")} --output_dir OUT",
            "trl" => $"cd {quoted} && python -c \"from datasets import load_dataset; from trl import SFTTrainer; "
                + $"SFTTrainer('MODEL', train_dataset=load_dataset('json', data_files='{train}', split='train')).train()\"",
            "imagefolder" => $"python -c \"from datasets import load_dataset; print(load_dataset('imagefolder', data_dir='{folder}'))\"",
            "coco" => $"python -c \"from torchvision.datasets import CocoDetection; print(CocoDetection('{folder}', '{folder}/{train}'))\"",
            _ => $"pfmvg data prepare --own {quoted}/{train} --format jsonl --out FOLDER",
        };
    }
}
