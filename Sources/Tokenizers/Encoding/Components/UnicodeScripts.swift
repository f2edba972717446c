/// Cuts a text where the script changes, by Unicode 9, as the reference does.
///
/// Hiragana, Katakana and Han are one script. Spaces and characters without a script, those of later versions
/// of Unicode among them, join what is before them, and are dropped where nothing is.
struct UnicodeScripts: Sendable {
  private let runs: RegularExpression

  init() throws {
    let alternatives = Self.changed + Self.names.map { "\\p{\($0)}+" }
    runs = try RegularExpression(alternatives.joined(separator: "|"))
  }

  /// Calls `body` with the ranges of the pieces in order.
  func forEachPiece(in text: UTF8Bytes, _ body: (Range<Int>) -> Void) throws {
    // The characters that have a script, and where their bytes stand in the text.
    var bytes: [UInt8] = []
    var places: [Int] = []
    var position = 0
    while position < text.count {
      let start = position
      let scalar = text.nextScalar(&position)
      guard ScalarClass.hasScript(scalar) else { continue }
      bytes.append(contentsOf: text[start..<position])
      places.append(contentsOf: start..<position)
    }
    var start: Int?
    try bytes.withUnsafeBufferPointer { bytes in
      try runs.forEachMatch(in: bytes) { run in
        let next = places[run.lowerBound]
        if let start { body(start..<next) }
        start = next
      }
    }
    if let start { body(start..<text.count) }
  }

  /// Scripts that have other characters since then, and the Japanese ones.
  private static let changed = [
    #"[\p{Common}\x{589}\x{61C}&&[^\x{30FC}]]+"#, #"[\p{Han}\p{Hiragana}\p{Katakana}\x{30FC}]+"#,
    #"[\p{Inherited}&&[^\x{953}\x{954}]]+"#, #"[\p{Arabic}&&[^\x{61C}]]+"#,
    #"[\p{Devanagari}\x{953}\x{954}]+"#, #"[\p{Armenian}&&[^\x{589}]]+"#,
  ]

  /// The other scripts of Unicode 9; the most frequent come first.
  private static let names = [
    "Latin", "Cyrillic", "Hangul", "Greek", "Hebrew", "Thai", "Adlam", "Ahom", "Anatolian_Hieroglyphs",
    "Avestan", "Balinese", "Bamum", "Bassa_Vah", "Batak",
    "Bengali", "Bhaiksuki", "Bopomofo", "Brahmi", "Braille", "Buginese", "Buhid", "Canadian_Aboriginal",
    "Carian", "Caucasian_Albanian", "Chakma", "Cham", "Cherokee", "Coptic", "Cuneiform", "Cypriot", "Deseret",
    "Duployan", "Egyptian_Hieroglyphs", "Elbasan", "Ethiopic", "Georgian", "Glagolitic", "Gothic", "Grantha",
    "Gujarati", "Gurmukhi", "Hanunoo", "Hatran", "Imperial_Aramaic", "Inscriptional_Pahlavi",
    "Inscriptional_Parthian", "Javanese", "Kaithi", "Kannada", "Kayah_Li", "Kharoshthi", "Khmer", "Khojki",
    "Khudawadi", "Lao", "Lepcha", "Limbu", "Linear_A", "Linear_B", "Lisu", "Lycian", "Lydian", "Mahajani",
    "Malayalam", "Mandaic", "Manichaean", "Marchen", "Meetei_Mayek", "Mende_Kikakui", "Meroitic_Cursive",
    "Meroitic_Hieroglyphs", "Miao", "Modi", "Mongolian", "Mro", "Multani", "Myanmar", "Nabataean",
    "New_Tai_Lue", "Newa", "Nko", "Ogham", "Ol_Chiki", "Old_Hungarian", "Old_Italic", "Old_North_Arabian",
    "Old_Permic", "Old_Persian", "Old_South_Arabian", "Old_Turkic", "Oriya", "Osage", "Osmanya",
    "Pahawh_Hmong", "Palmyrene", "Pau_Cin_Hau", "Phags_Pa", "Phoenician", "Psalter_Pahlavi", "Rejang",
    "Runic",
    "Samaritan", "Saurashtra", "Sharada", "Shavian", "Siddham", "SignWriting", "Sinhala", "Sora_Sompeng",
    "Sundanese", "Syloti_Nagri", "Syriac", "Tagalog", "Tagbanwa", "Tai_Le", "Tai_Tham", "Tai_Viet", "Takri",
    "Tamil", "Tangut", "Telugu", "Thaana", "Tibetan", "Tifinagh", "Tirhuta", "Ugaritic", "Vai", "Warang_Citi",
    "Yi",
  ]
}
