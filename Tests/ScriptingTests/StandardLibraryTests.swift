import Lua
import Scripting
import Testing

struct StandardLibraryTests {
  @Test(arguments: StandardLibrary.embedded.paths)
  func isEmbeddedAsBytecode(path: String) throws {
    guard case .bytecode(let code) = StandardLibrary.embedded.file(path) else {
      Issue.record("\(path) is text")
      return
    }
    #expect(code.starts(with: Array("\u{1b}Lua".utf8)))
    #expect(code.count > 100)
  }
}
