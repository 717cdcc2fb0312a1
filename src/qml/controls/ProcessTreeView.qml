// SPDX-License-Identifier: MIT
import QtQuick
import QtQuick.Controls
import QtQuick.Layouts
import GoProcess

/*!
    The tree of processes below \l process: their names, their states by colour and by word, and how
    long they have been in them.

    Cursor keys move through it and open and close branches.
*/
Pane {
    id: root

    /*! The process below which it shows all; all processes for null. */
    property alias process: processModel.process
    /*! So many levels are open from the beginning. */
    property int openLevels: 2
    /*! The model that it shows. */
    readonly property alias model: processModel
    /*! True where one reads from right to left: so it does with columns and cells. */
    readonly property bool isMirrored: Application.layoutDirection === Qt.RightToLeft

    implicitWidth: metrics.averageCharacterWidth * 80
    implicitHeight: metrics.height * 20
    padding: 1

    background: Rectangle {
        color: root.palette.base
        border.color: tree.activeFocus ? root.palette.highlight : root.palette.mid
    }

    ProcessModel {
        id: processModel
    }

    FontMetrics {
        id: metrics

        font: root.font
    }

    // A cell of the header where all is mirrored.
    Component {
        id: mirroredHeader

        Label {
            id: headerCell

            required property string display

            text: headerCell.display
            color: headerCell.palette.buttonText
            horizontalAlignment: Text.AlignHCenter
            verticalAlignment: Text.AlignVCenter
            padding: headerCell.font.pixelSize / 3
            elide: Text.ElideRight
            background: Rectangle {
                color: headerCell.palette.button
            }
            transform: Scale {
                origin.x: headerCell.width / 2
                xScale: -1
            }
        }
    }

    ColumnLayout {
        id: table

        anchors.fill: parent
        spacing: 0
        // Tables of Qt have their first column at the left always: here the whole table is mirrored, and
        // each cell once more.
        transform: Scale {
            origin.x: table.width / 2
            xScale: root.isMirrored ? -1 : 1
        }

        LayoutMirroring.enabled: root.isMirrored
        LayoutMirroring.childrenInherit: true

        HorizontalHeaderView {
            id: header

            syncView: tree
            clip: true
            Layout.fillWidth: true
        }

        Binding {
            target: header
            property: "delegate"
            value: mirroredHeader
            when: root.isMirrored
        }

        TreeView {
            id: tree

            /// By path: the branches that the user has closed.
            property var closedByUser: ({})

            function path(row) {
                return processModel.data(tree.modelIndex(Qt.point(0, row)), ProcessModel.PathRole);
            }

            /// Opens the upper levels, but no branch that the user has closed.
            function openUpperLevels() {
                const many = 200; // what is further down is opened by whoever looks for it
                for (let row = 0; row < Math.min(tree.rows, many); ++row) {
                    const index = tree.modelIndex(Qt.point(0, row));
                    if (!index.valid)
                        return; // the layout has not followed yet; another call comes when it has
                    const isClosed = tree.depth(row) < root.openLevels && !tree.isExpanded(row);
                    if (isClosed && processModel.hasChildren(index) && !tree.closedByUser[path(row)])
                        tree.expand(row);
                }
            }

            model: processModel
            delegate: ProcessCell { }
            selectionModel: ItemSelectionModel {
                model: processModel
            }
            columnWidthProvider: column => {
                const narrow = metrics.averageCharacterWidth * 14;
                switch (column) {
                case ProcessModel.StateColumn:
                    return 2 * narrow;
                case ProcessModel.SinceColumn:
                    return narrow;
                }
                return Math.max(narrow, tree.width - 3 * narrow);
            }
            clip: true
            activeFocusOnTab: true
            focus: true
            boundsBehavior: Flickable.StopAtBounds
            Accessible.role: Accessible.Tree
            Accessible.name: qsTr("Processes")
            Layout.fillWidth: true
            Layout.fillHeight: true

            onWidthChanged: tree.forceLayout()
            onRowsChanged: opening.restart()
            onExpanded: row => delete tree.closedByUser[tree.path(row)]
            onCollapsed: row => tree.closedByUser[tree.path(row)] = true

            ScrollBar.vertical: ScrollBar {
                LayoutMirroring.enabled: false // it is mirrored with the table
            }
        }

        Timer {
            id: opening

            interval: 0 // after the layout
            onTriggered: tree.openUpperLevels()
        }
    }
}
