import Basics
import Testing

@Suite struct NearestNameTests {
  @Test(arguments: [
    ("wieght", "weight"), ("WEIGHT", "weight"), ("densty", "density"), ("lamda", "lambda"),
    ("Task_Arithmetics", "task_arithmetic"), ("weights", "weight"),
  ])
  func finds(name: String, expected: String) {
    let names = ["density", "height", "weight", "lambda", "task_arithmetic"]
    #expect(nearestName(to: name, among: names) == expected)
  }

  @Test(arguments: ["", "x", "wxyzht", "epsilon", "a very long name that is like nothing else"])
  func findsNothing(name: String) {
    #expect(nearestName(to: name, among: ["density", "weight", "lambda", ""].filter { !$0.isEmpty }) == nil)
  }

  @Test func sameLettersComeFirst() {
    #expect(nearestName(to: "Ties", among: ["tie", "ties", "TIES"]) == "ties")
    #expect(nearestName(to: "slerp", among: ["sleep", "slurp"]) == "sleep")
    #expect(nearestName(to: "abc", among: [String]()) == nil)
  }

  @Test func aSwapIsOneStep() {
    #expect(nearestName(to: "abd", among: ["adb"]) == "adb")
    #expect(nearestName(to: "abd", among: ["dab"]) == nil)
  }
}
