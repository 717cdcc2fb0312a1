// SPDX-License-Identifier: MIT
// Three subsystems that close in order, and a window that stays until they have: demo/run hello
import QtQuick
import GoProcess

Window {
    id: window
    title: "Hello"
    width: 320; height: 120
    visible: true
    onClosing: close => {
        close.accepted = app.state === Process.Closed;
        app.close(); // and the window, when it is closed
    }
    Text {
        anchors.centerIn: parent
        text: app.state === Process.Running ? "Hello! Close me." : "Good-bye"
    }
    Timer { interval: 5000; running: true; onTriggered: app.close() } // where there is no display

    Process {
        id: app
        onClosed: {
            console.log("all is closed");
            window.close();
        }
        Process {
            waitsFor: [network, search] // it writes what they have
            teardown: () => console.log("storage: flushed")
        }
        Process {
            id: network
            teardown: () => new Promise(resolve => farewell.triggered.connect(resolve))
            onClosing: farewell.start()
            onClosed: console.log("network: disconnected")
        }
        Process { id: search; onClosed: console.log("search: stopped") }
        Timer { id: farewell; interval: 500 } // so long the server takes to answer
    }
}
