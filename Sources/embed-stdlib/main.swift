// Writes the Lua files of a folder as a Swift dictionary: embed-stdlib OUTPUT FOLDER
import Foundation

let arguments = CommandLine.arguments
guard arguments.count == 3 else {
  FileHandle.standardError.write(Data("usage: embed-stdlib OUTPUT FOLDER\n".utf8))
  exit(2)
}
let folder = URL(fileURLWithPath: arguments[2]).resolvingSymlinksInPath()

/// Whether a file is for the program, and not for editors or readers.
func isEmbedded(_ path: String) -> Bool {
  path.hasSuffix(".lua") && !path.hasPrefix("meta/") && !path.hasPrefix("examples/")
}

/// A string literal that no text can end early: one more number sign than the text has after a quote.
func literal(_ text: String) -> String {
  var signs = "#"
  while text.contains("\"\"\"" + signs) { signs += "#" }
  return "\(signs)\"\"\"\n\(text)\n\"\"\"\(signs)"
}

var source = "/// The texts of the standard library's files, by their paths.\n"
source += "let embeddedStandardLibrary: [String: String] = [\n"
for path in try FileManager.default.subpathsOfDirectory(atPath: folder.path).filter(isEmbedded).sorted() {
  let text = try String(contentsOf: folder.appending(path: path), encoding: .utf8)
  source += "\"\(path)\": \(literal(text)),\n"
}
source += "]\n"
try source.write(toFile: arguments[1], atomically: true, encoding: .utf8)
