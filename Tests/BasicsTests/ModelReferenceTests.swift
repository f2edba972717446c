import Basics
import Testing

@Suite struct ModelReferenceTests {
  /// Reads a text where some names exist, and writes the parts in brackets.
  private func parts(_ text: String, _ existing: String...) -> String {
    let reference = ModelReference(parsing: text, exists: existing.contains)
    return ([reference.base] + reference.adapters).map { location in
      "[\(location.name)]" + (location.revision.map { "@[\($0)]" } ?? "")
    }.joined()
  }

  @Test func pathsAndNames() {
    #expect(parts("models/base", "models/base") == "[models/base]")
    #expect(parts("org/name@main") == "[org/name]@[main]")
    #expect(parts("org/name@refs/pr/1") == "[org/name]@[refs/pr/1]")
    #expect(parts("base@main", "base") == "[base]@[main]")
    #expect(parts("") == "[]" && parts("@x") == "[@x]" && parts("+x") == "[+x]" && parts("x+") == "[x+]")
  }

  @Test func adapters() {
    #expect(parts("base+lora", "base", "lora") == "[base][lora]")
    #expect(parts("org/base@v1+org/lora@v2") == "[org/base]@[v1][org/lora]@[v2]")
    #expect(parts("base+one+two", "base", "one", "two") == "[base][one][two]")
  }

  @Test func namesMayHaveSigns() {
    #expect(parts("a+b", "a", "b", "a+b") == "[a+b]")
    #expect(parts("a+b+c", "a+b", "c") == "[a+b][c]")
    #expect(parts("a+b+c", "a", "b+c") == "[a][b+c]")
    #expect(parts("a@b+c@d", "a@b", "c@d") == "[a@b][c@d]")
    #expect(parts("a@b", "a@b", "a") == "[a@b]")
    #expect(parts("a+b@main", "a+b") == "[a+b]@[main]")
  }

  /// An error can then say which part is missing.
  @Test func missingParts() {
    #expect(parts("a+b+c", "a") == "[a][b+c]")
    #expect(parts("a+b+c", "a+b") == "[a+b][c]")
    #expect(parts("a+b+c") == "[a][b][c]")
  }

  @Test(arguments: ["a", "a+b", "a+b@c+d", "org/a@x+org/b@y", "@", "+", "a++b", "a@@b", "++", "a@"])
  func textsStay(text: String) {
    #expect(ModelReference(unresolved: text).text == text)
    #expect(ModelReference(parsing: text) { $0 == "a" }.text == text)
  }

  /// The parts are not tried in every combination.
  @Test func manySigns() {
    let text = Array(repeating: "org/name", count: 60).joined(separator: "+")
    #expect(ModelReference(unresolved: text).adapters.count == 59)
    let plain = Array(repeating: "a", count: 10_000).joined(separator: "+")
    #expect(ModelReference(unresolved: plain).text == plain)
  }
}
