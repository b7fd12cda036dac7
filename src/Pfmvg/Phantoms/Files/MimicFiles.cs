using System.Globalization;
using Pfmvg.Phantoms.Planning;

namespace Pfmvg.Phantoms.Files;

/// <summary>MIMIC-CXR-JPG's tables and MIMIC-CXR's reports; the pictures lie beside them.</summary>
internal static class MimicFiles
{
    // The labels of CheXpert and NegBio in the order of their columns; null where phantoms never have one.
    private static readonly (string Name, FindingClass? Class)[] Labels =
    [
        ("Atelectasis", FindingClass.Atelectasis), ("Cardiomegaly", FindingClass.Cardiomegaly),
        ("Consolidation", FindingClass.Consolidation), ("Edema", FindingClass.Edema), ("Enlarged Cardiomediastinum", null),
        ("Fracture", null), ("Lung Lesion", null), ("Lung Opacity", FindingClass.LungOpacity), ("No Finding", null),
        ("Pleural Effusion", FindingClass.PleuralEffusion), ("Pleural Other", null), ("Pneumonia", FindingClass.Pneumonia),
        ("Pneumothorax", FindingClass.Pneumothorax), ("Support Devices", null),
    ];

    public static void Write(string folder, IReadOnlyList<PlannedPatient> patients)
    {
        var studies = patients.SelectMany(patient => patient.Studies.Select(study => (Patient: patient, Study: study))).ToList();
        var images = studies.SelectMany(s => s.Study.Images.Select(image => (s.Patient, s.Study, Image: image))).ToList();
        DelimitedText.Write(Path.Combine(folder, "mimic-cxr-2.0.0-split.csv.gz"), ',', ["dicom_id", "study_id", "subject_id", "split"],
            images.Select(i => new[] { i.Image.Id, Text(i.Study.StudyId), Text(i.Patient.SubjectId), i.Study.MimicSplit }));
        string[] columns =
        [
            "dicom_id", "subject_id", "study_id", "PerformedProcedureStepDescription", "ViewPosition", "Rows", "Columns",
            "StudyDate", "StudyTime", "ProcedureCodeSequence_CodeMeaning", "ViewCodeSequence_CodeMeaning",
            "PatientOrientationCodeSequence_CodeMeaning",
        ];
        DelimitedText.Write(Path.Combine(folder, "mimic-cxr-2.0.0-metadata.csv.gz"), ',', columns,
            images.Select(i => Metadata(i.Patient, i.Study, i.Image)));
        foreach (var labeller in (ReadOnlySpan<string>)["chexpert", "negbio"])
        {
            DelimitedText.Write(Path.Combine(folder, $"mimic-cxr-2.0.0-{labeller}.csv.gz"), ',',
                ["subject_id", "study_id", .. Labels.Select(label => label.Name)],
                studies.Select(s => LabelRow(s.Patient, s.Study, labeller)));
        }

        // A report lies beside the folder of its study's pictures.
        foreach (var (_, study) in studies)
        {
            var path = Path.Combine(folder, Path.GetDirectoryName(study.Frontal.Path)! + ".txt");
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, ReportWriter.Report(study.Frontal.Picture));
        }
    }

    private static string[] Metadata(PlannedPatient patient, PlannedStudy study, PlannedImage image)
    {
        var random = image.Picture.Random("metadata");
        var (view, meaning, position) = image.Picture.View switch
        {
            PhantomView.PosteroAnterior => ("PA", "postero-anterior", "Erect"),
            PhantomView.AnteroPosterior => ("AP", "antero-posterior", "Recumbent"),
            _ => ("LATERAL", "lateral", "Erect"),
        };
        if (random.Chance(0.03)) (view, meaning) = ("", "");
        var procedure = study.Frontal.Picture.View == PhantomView.AnteroPosterior ? "CHEST (PORTABLE AP)" : "CHEST (PA AND LAT)";
        var visit = study.Frontal.Picture.Random("visit");
        var time = $"{visit.Next(24):00}{visit.Next(60):00}{visit.Next(60):00}.{visit.Next(1000):000}";
        var date = new DateTime(2110, 1, 1).AddDays(365 * (int)study.Frontal.Picture.Study + visit.Next(30_000));
        return
        [
            image.Id, Text(patient.SubjectId), Text(study.StudyId), procedure, view, Text(image.Picture.Height), Text(image.Picture.Width),
            date.ToString("yyyyMMdd", CultureInfo.InvariantCulture), time, procedure, meaning, position,
        ];
    }

    private static string[] LabelRow(PlannedPatient patient, PlannedStudy study, string labeller)
    {
        var picture = study.Frontal.Picture;
        var random = picture.Random(labeller);
        var values = Labels.Select(label =>
        {
            if (label.Name == "No Finding") return picture.Findings.Count == 0 ? "1.0" : "";
            if (label.Class is not { } wanted) return "";
            if (picture.Findings.Any(finding => finding.Class == wanted)) return random.Chance(0.06) ? "-1.0" : "1.0";
            return random.Chance(0.3) ? "0.0" : "";
        });
        return [Text(patient.SubjectId), Text(study.StudyId), .. values];
    }

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);
}
