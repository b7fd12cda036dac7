namespace Pfmvg.Text;

/// <summary>
/// Lower-case letters with accents and the letters under them, for programs that run without ICU, where .NET decomposes nothing.
/// </summary>
internal static class AccentedLetters
{
    // Each letter of Unicode below U+2000 that its canonical decomposition makes another one, and that one.
    private const string Pairs =
        "àaáaâaãaäaåaçcèeéeêeëeìiíiîiïiñnòoóoôoõoöoùuúuûuüuýyÿyāaăaąaćcĉcċcčcďdēeĕeėeęeěeĝgğgġgģgĥhĩiīiĭiįiĵj"
        + "ķkĺlļlľlńnņnňnōoŏoőoŕrŗrřrśsŝsşsšsţtťtũuūuŭuůuűuųuŵwŷyźzżzžzơoưuǎaǐiǒoǔuǖuǘuǚuǜuǟaǡaǣæǧgǩkǫoǭoǯʒǰjǵg"
        + "ǹnǻaǽæǿøȁaȃaȅeȇeȉiȋiȍoȏoȑrȓrȕuȗușsțtȟhȧaȩeȫoȭoȯoȱoȳyʹʹ;;΅¨··ΐιάαέεήηίιΰυϊιϋυόούυώωϓϒϔϒйиѐеёеѓгїіќкѝи"
        + "ўуѷѵӂжӑаӓаӗеӛәӝжӟзӣиӥиӧоӫөӭэӯуӱуӳуӵчӹыآاأاؤوإائيۀەۂہۓےऩनऱरऴळक़कख़खग़गज़जड़डढ़ढफ़फय़यড়ডঢ়ঢয়যਲ਼ਲਸ਼ਸਖ਼ਖਗ਼ਗਜ਼ਜਫ਼ਫୈେଡ଼ଡଢ଼ଢ"
        + "ೀೕೇೕೈೖೊೂේෙགྷགཌྷཌདྷདབྷབཛྷཛཀྵཀဦဥᬻᬵᬽᬵᭃᬵḁaḃbḅbḇbḉcḋdḍdḏdḑdḓdḕeḗeḙeḛeḝeḟfḡgḣhḥhḧhḩhḫhḭiḯiḱkḳkḵkḷlḹlḻlḽlḿmṁmṃmṅn"
        + "ṇnṉnṋnṍoṏoṑoṓoṕpṗpṙrṛrṝrṟrṡsṣsṥsṧsṩsṫtṭtṯtṱtṳuṵuṷuṹuṻuṽvṿvẁwẃwẅwẇwẉwẋxẍxẏyẑzẓzẕzẖhẗtẘwẙyẛſạaảaấaầaẩa"
        + "ẫaậaắaằaẳaẵaặaẹeẻeẽeếeềeểeễeệeỉiịiọoỏoốoồoổoỗoộoớoờoởoỡoợoụuủuứuừuửuữuựuỳyỵyỷyỹyἀαἁαἂαἃαἄαἅαἆαἇαἐεἑε"
        + "ἒεἓεἔεἕεἠηἡηἢηἣηἤηἥηἦηἧηἰιἱιἲιἳιἴιἵιἶιἷιὀοὁοὂοὃοὄοὅοὐυὑυὒυὓυὔυὕυὖυὗυὠωὡωὢωὣωὤωὥωὦωὧωὰαάαὲεέεὴηήηὶιίι"
        + "ὸοόοὺυύυὼωώωᾀαᾁαᾂαᾃαᾄαᾅαᾆαᾇαᾐηᾑηᾒηᾓηᾔηᾕηᾖηᾗηᾠωᾡωᾢωᾣωᾤωᾥωᾦωᾧωᾰαᾱαᾲαᾳαᾴαᾶαᾷαιι῁¨ῂηῃηῄηῆηῇη῍᾿῎᾿῏᾿ῐιῑιῒι"
        + "ΐιῖιῗι῝῾῞῾῟῾ῠυῡυῢυΰυῤρῥρῦυῧυ῭¨΅¨``ῲωῳωῴωῶωῷω´´";

    private static readonly Dictionary<int, string> Bases =
        Enumerable.Range(0, Pairs.Length / 2).ToDictionary(i => (int)Pairs[2 * i], i => Pairs[2 * i + 1].ToString());

    /// <summary>The letter without its accents; the same code point as text where it has none.</summary>
    public static string Base(System.Text.Rune letter) => Bases.GetValueOrDefault(letter.Value) ?? letter.ToString();
}
