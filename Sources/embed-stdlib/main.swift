// Writes the Lua files of a folder as Swift dictionaries, as text and compiled: embed-stdlib OUTPUT FOLDER
import CLua
import Foundation

func fail(_ message: String) -> Never {
  FileHandle.standardError.write(Data((message + "\n").utf8))
  exit(2)
}

let arguments = CommandLine.arguments
guard arguments.count == 3 else { fail("usage: embed-stdlib OUTPUT FOLDER") }
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

/// A string literal with a scalar for each byte, since arrays of numbers take the compiler minutes.
func literal(_ bytes: [UInt8]) -> String {
  var text = "\""
  for byte in bytes {
    switch byte {
    case 0x20...0x7e where byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\"):
      text.unicodeScalars.append(Unicode.Scalar(byte))
    default: text += "\\u{\(String(byte, radix: 16))}"
    }
  }
  return text + "\""
}

/// The file's bytecode, with lines and names of variables for messages.
func compiled(_ text: String, name: String) -> [UInt8] {
  guard let lua = luaL_newstate() else { fail("no memory for a Lua state") }
  defer { lua_close(lua) }
  guard luaL_loadbufferx(lua, text, text.utf8.count, "@stdlib/" + name, "t") == LUA_OK else {
    fail(lua_tolstring(lua, -1, nil).map { String(cString: $0) } ?? "\(name) is not Lua")
  }
  var bytes: [UInt8] = []
  let keepDebugInformation: Int32 = 0
  let status = withUnsafeMutablePointer(to: &bytes) { result in
    lua_dump(
      lua,
      { _, block, count, result in
        result!.assumingMemoryBound(to: [UInt8].self).pointee += UnsafeRawBufferPointer(
          start: block, count: count)
        return 0
      }, result, keepDebugInformation)
  }
  guard status == LUA_OK else { fail("\(name) cannot be compiled") }
  return bytes
}

var texts = "/// The texts of the standard library's files, by their paths.\n"
texts += "let embeddedStandardLibrary: [String: String] = [\n"
var chunks = "/// The same files compiled, a scalar for each byte, by the same paths.\n"
chunks += "let embeddedBytecode: [String: String] = [\n"
for path in try FileManager.default.subpathsOfDirectory(atPath: folder.path).filter(isEmbedded).sorted() {
  let text = try String(contentsOf: folder.appending(path: path), encoding: .utf8)
  texts += "\"\(path)\": \(literal(text)),\n"
  chunks += "\"\(path)\": \(literal(compiled(text, name: path))),\n"
}
let release = """
  /// The Lua that compiled them.
  let embeddedBytecodeRelease = \(literal(Array(clua_release().map { String(cString: $0) }!.utf8)))

  """
try (texts + "]\n\n" + chunks + "]\n\n" + release).write(
  toFile: arguments[1], atomically: true, encoding: .utf8)
