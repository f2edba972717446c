// Writes the Lua files of a folder as a Swift dictionary: embed-stdlib OUTPUT FOLDER FILE…
import Foundation

let arguments = CommandLine.arguments
guard arguments.count > 3 else {
  FileHandle.standardError.write(Data("usage: embed-stdlib OUTPUT FOLDER FILE…\n".utf8))
  exit(2)
}
let folder = arguments[2].hasSuffix("/") ? arguments[2] : arguments[2] + "/"

/// A string literal that no text can end early: one more number sign than the text has after a quote.
func literal(_ text: String) -> String {
  var signs = "#"
  while text.contains("\"\"\"" + signs) { signs += "#" }
  return "\(signs)\"\"\"\n\(text)\n\"\"\"\(signs)"
}

var source = "/// The texts of the standard library's files, by their paths.\n"
source += "let embeddedStandardLibrary: [String: String] = [\n"
for file in arguments.dropFirst(3).sorted() {
  let text = try String(contentsOfFile: file, encoding: .utf8)
  source += "\"\(file.dropFirst(folder.count))\": \(literal(text)),\n"
}
source += "]\n"
try source.write(toFile: arguments[1], atomically: true, encoding: .utf8)
