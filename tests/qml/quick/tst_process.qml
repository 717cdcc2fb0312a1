// SPDX-License-Identifier: MIT
import QtQuick
import QtTest
import GoProcess

TestCase {
    id: testCase

    property var events: []

    function log(text) {
        testCase.events.push(text);
    }

    function init() {
        testCase.events = [];
    }

    function make(component, properties) {
        return createTemporaryObject(component, testCase, properties || {});
    }

    name: "Process"

    Component {
        id: plain

        Process { }
    }

    Component {
        id: failing

        Process {
            name: "failing"
            teardown: () => "disk full"
        }
    }

    Component {
        id: throwing

        Process {
            teardown: () => {
                throw new Error("broken");
            }
        }
    }

    Component {
        id: subsystems

        Process {
            property alias database: database
            property alias network: network

            name: "app"
            onClosing: testCase.log("closing app")
            onClosed: testCase.log("closed app")

            Process {
                id: database

                name: "database"
                waitsFor: [network]
                teardown: () => testCase.log("database")
            }
            Process {
                id: network

                name: "network"
                teardown: () => testCase.log("network")
            }
            QtObject { objectName: "beside them" }
        }
    }

    Component {
        id: promising

        Process {
            id: promised

            property var resolve
            property var reject

            teardown: () => new Promise((resolve, reject) => {
                promised.resolve = resolve;
                promised.reject = reject;
            })
        }
    }

    Component {
        id: spies

        SignalSpy { }
    }

    function test_properties() {
        const process = make(plain, { name: "one" });
        compare(process.name, "one");
        compare(process.state, Process.Running);
        compare(process.error.message, "");
        compare(process.parentProcess, null);
        compare(process.waitsFor.length, 0);
    }

    function test_nameNotifies() {
        const process = make(plain);
        const spy = make(spies, { target: process, signalName: "nameChanged" });
        process.name = "two";
        process.name = "two";
        compare(spy.count, 1);
        compare(spy.signalArguments[0][0], "two");
    }

    function test_signals() {
        const process = make(plain);
        const states = make(spies, { target: process, signalName: "stateChanged" });
        const closing = make(spies, { target: process, signalName: "closing" });
        const closed = make(spies, { target: process, signalName: "closed" });
        process.close();
        compare(process.state, Process.Closing);
        compare(closing.count, 0); // as a step, later
        closed.wait();
        compare(closing.count, 1);
        compare(closed.count, 1);
        compare(states.count, 2);
        compare(process.state, Process.Closed);
    }

    function test_order() {
        const app = make(subsystems);
        compare(app.database.parentProcess, app);
        compare(app.database.waitsFor.length, 1);
        compare(app.database.waitsFor[0], app.network);
        app.close();
        compare(app.network.state, Process.Closing); // at once, with all below
        tryCompare(app, "state", Process.Closed);
        compare(testCase.events, ["closing app", "network", "database", "closed app"]);
    }

    function test_closeAfterChildren() {
        const app = make(subsystems);
        app.closeAfterChildren();
        compare(app.state, Process.Running);
        app.database.close();
        app.network.close();
        tryCompare(app, "state", Process.Closed);
    }

    function test_errors() {
        const process = make(failing);
        process.close();
        compare(process.error.message, "");
        tryCompare(process, "state", Process.Closed);
        compare(process.error.message, "disk full");
    }

    function test_thrown() {
        const process = make(throwing);
        process.close();
        tryCompare(process, "state", Process.Closed);
        verify(/tst_process\.qml:\d+.*broken/.test(process.error.message));
    }

    function test_promise() {
        const process = make(promising);
        process.close();
        tryVerify(() => process.resolve !== undefined);
        compare(process.state, Process.Closing);
        process.resolve();
        tryCompare(process, "state", Process.Closed);
        compare(process.error.message, "");
    }

    function test_promiseRejected() {
        const process = make(promising);
        process.close();
        tryVerify(() => process.reject !== undefined);
        process.reject("no answer");
        tryCompare(process, "state", Process.Closed);
        verify(process.error.message.includes("no answer"));
    }

    function test_waitsForIsWrittenOnce() {
        const app = make(subsystems);
        ignoreWarning(/waitsFor/);
        app.database.waitsFor = [];
        compare(app.database.waitsFor.length, 1);
    }

    function test_parentProcessIsWrittenOnce() {
        const app = make(subsystems);
        ignoreWarning(/parentProcess/);
        app.database.parentProcess = app.network;
        compare(app.database.parentProcess, app);
    }

    function test_aTeardownIsAFunction() {
        const process = make(plain);
        ignoreWarning(/teardown/);
        process.teardown = "text";
        process.close();
        tryCompare(process, "state", Process.Closed);
        compare(process.error.message, "");
    }

    function test_destroyed() {
        const app = subsystems.createObject(testCase);
        app.destroy();
        tryVerify(() => testCase.events.length === 4);
        compare(testCase.events, ["closing app", "network", "database", "closed app"]);
    }

    function test_childOfCpp() {
        const upper = cpp.makeProcess();
        const app = make(subsystems, { parentProcess: upper });
        compare(app.parentProcess, upper);
        verify(cpp.closeAndWait(upper)); // also the JavaScript below, in a blocking wait
        compare(app.state, Process.Closed);
        compare(testCase.events, ["closing app", "network", "database", "closed app"]);
    }
}
