import Basics
import Merging
import Scripting
import SystemPackage

/// What the merges of a file call models, and whose tokenizers they ask for, beside what there is on disk.
extension ConfigRecipe {
  /// Notices of names of merges that are paths on disk too.
  package var hiddenPaths: [String] {
    translation.references.filter { $0.isMerge && Self.exists($0.text) }.map {
      "\($0.location): '\($0.text)' is the merge of that name; the path \($0.text) on disk is not used "
        + "(./\($0.text) means that)"
    }
  }

  /// Makes sure that what is neither the name of a merge nor a path looks like something else than a name.
  ///
  /// Throws a `Diagnostic` with the nearest name.
  package func checkReferences() throws {
    let names = translation.documents.filter(\.isNamed).map(\.name)
    for reference in translation.references where !reference.isMerge {
      let text = reference.text
      let meant = ModelReference(parsing: text, exists: Self.exists)
      guard meant == ModelReference(base: .init(name: text)), !text.contains("/"), !Self.exists(text) else {
        continue
      }
      throw Diagnostic("no merge has the name \(name: text), and there is no such path")
        .suggesting(text, among: names).at(reference.location)
    }
  }

  /// Makes sure that the source of a tokenizer that is no path is not nearly the name of one of the rules.
  ///
  /// Throws a `Diagnostic` with the nearest name.
  package func checkTokenizerSources() throws {
    for source in translation.tokenizerSources where !Self.exists(source.text) {
      guard let nearest = nearestName(to: source.text, among: ["union", "base"]) else { continue }
      throw Diagnostic(
        expected: "union, base or a model", found: "\(name: source.text), and there is no such path"
      ).suggesting(nearest).under(source.setting).at(source.location)
    }
  }

  private static func exists(_ path: String) -> Bool { (try? FilePath(path).stat()) != nil }
}
